import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from prunescope.core.statistics import benjamini_hochberg, mcnemar, share_interval
from prunescope.measures import Accuracy, recalls, worst_class_drop


def of_class(measurement, quantity):
    return {v.item: v for v in measurement.values if v.quantity == quantity and v.item}


def test_a_hand_sized_case(synthetic):
    """Four examples of two classes: network 0 loses one of class 1, network 1 loses one of class 1 and wins one."""
    labels = [0, 0, 1, 1]
    shown = synthetic.from_predictions([[0, 0, 1, 1], [0, 1, 1, 1]], [[0, 0, 0, 1], [0, 0, 1, 0]], labels, 2)
    found = Accuracy()(shown)
    assert found["accuracy"].value == pytest.approx(6 / 8)
    assert found["accuracy"].floor == pytest.approx(7 / 8)
    assert found["drop"].value == pytest.approx(12.5)
    drops = {item: value.value for item, value in of_class(found, "drop").items()}
    assert drops == pytest.approx({"c0": -25.0, "c1": 50.0})
    assert found["worst_class_drop"].value == pytest.approx(50.0)
    assert [v.value for v in found.values if v.quantity == "drop" and v.seed == 0] == pytest.approx([25.0])


def test_accuracy_and_recall_are_scikit_learns(synthetic):
    shown = synthetic.populations(networks=3)
    found, predicted = Accuracy()(shown), shown.predictions[1]
    dense = np.equal(shown.predictions[0], shown.labels)
    assert (found["accuracy"].floor_low, found["accuracy"].floor_high) == share_interval(dense)
    scores = [accuracy_score(shown.labels, row) for row in predicted]
    assert found["accuracy"].value == pytest.approx(np.mean(scores))
    assert [v.value for v in found.values if v.quantity == "accuracy" and v.seed is not None] == pytest.approx(scores)
    expected = np.mean([recall_score(shown.labels, row, average=None) for row in predicted], axis=0)
    assert [v.value for v in of_class(found, "accuracy").values()] == pytest.approx(expected)


def test_one_network_is_tested_by_mcnemar_and_has_no_floor(synthetic):
    shown = synthetic.populations(networks=1, examples=200)
    found = Accuracy()(shown)
    before, after = (row[0] == shown.labels for row in shown.predictions)
    p = mcnemar(int((before & ~after).sum()), int((after & ~before).sum()))
    assert found["drop"].p == p
    assert found["drop"].floor is None
    assert found["worst_class_drop"].floor is None
    raw = [
        mcnemar(int((before & ~after)[shown.labels == c].sum()), int((after & ~before)[shown.labels == c].sum()))
        for c in range(5)
    ]
    assert [v.p for v in of_class(found, "drop").values()] == pytest.approx(benjamini_hochberg(raw))


def test_the_dense_networks_themselves_drop_by_nothing_and_keep_their_floors(synthetic):
    found = Accuracy()(synthetic.populations(same=True))
    for value in found.values:
        if value.quantity != "accuracy":
            assert (value.value, value.low, value.high) == (0.0, 0.0, 0.0)
    assert found["accuracy"].value == found["accuracy"].floor
    assert found["drop"].floor_low < found["drop"].floor == 0 < found["drop"].floor_high
    assert found["worst_class_drop"].floor > 0


def test_no_change_between_two_networks_does_not_prove_that_there_is_none(synthetic):
    dense, _, labels = synthetic.logits(networks=2, examples=50)
    found = Accuracy()(synthetic.from_logits(dense, 2 * dense, labels))
    assert found["drop"].value == 0
    assert found["drop"].high == pytest.approx(100 * (1 - 0.025 ** (1 / 100)))
    assert found["worst_class_drop"].high > found["drop"].high


def test_worst_class_by_brute_force_and_its_floor_by_all_halves(synthetic):
    shown = synthetic.populations(networks=2, examples=80)
    dense, pruned = ((p == shown.labels).astype(float) for p in shown.predictions)
    drops = [
        np.mean(dense[:, shown.labels == c]) - np.mean(pruned[:, shown.labels == c]) for c in np.unique(shown.labels)
    ]
    worst = worst_class_drop(dense, pruned, shown.labels)
    assert worst.drop == pytest.approx(max(drops))
    assert worst.label == int(np.argmax(drops))
    between = recalls(dense, shown.labels)[0] - recalls(dense, shown.labels)[1]
    floor = Accuracy()(shown)["worst_class_drop"].floor
    assert floor == pytest.approx(100 * (between.max() + (-between).max()) / 2)


def test_the_interval_of_the_worst_class_covers_no_drop_when_nothing_was_lost_on_average():
    """Every class loses and wins alike; the largest of ten noisy drops is positive, its interval must hold zero."""
    covered, positive, labels = [], [], np.repeat(np.arange(10), 30)
    for seed in range(25):
        rng = np.random.default_rng(seed)
        dense, pruned = (rng.random((2, 300)) < 0.8).astype(float), (rng.random((2, 300)) < 0.8).astype(float)
        worst = worst_class_drop(dense, pruned, labels)
        covered.append(worst.interval.low <= 0 <= worst.interval.high)
        positive.append(worst.drop > 0.02)
    assert np.mean(positive) > 0.9
    assert np.mean(covered) >= 0.9


def test_classes_without_examples_are_left_out_and_named(synthetic):
    predicted = [[0, 0, 2], [0, 2, 2]]
    found = Accuracy()(synthetic.from_predictions(predicted, predicted, [0, 0, 0], 4))
    assert list(of_class(found, "accuracy")) == ["c0"]
    assert found.notes == ("3 of 4 classes have no example here",)
