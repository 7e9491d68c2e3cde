import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prunescope.core.errors import PrunescopeError
from prunescope.measures import PredictionDepth, knn_predictions, prediction_depth
from prunescope.measures.inference import Probes

VOTES = st.tuples(arrays(np.int64, (4, 7), elements=st.integers(0, 2)), arrays(np.int64, 7, elements=st.integers(0, 2)))


def test_never_wrong_is_not_wrong_at_the_first_probe_only():
    right, first, last = [3, 3, 3], [1, 3, 3], [3, 3, 1]
    assert prediction_depth(np.transpose([right, first, last]), [3, 3, 3]).tolist() == [0, 1, 3]


@given(VOTES)
def test_it_is_the_brute_force_answer(drawn):
    probes, final = drawn
    for i, depth in enumerate(prediction_depth(probes, final)):
        agreeing = [d for d in range(5) if all(probes[later, i] == final[i] for later in range(d, 4))]
        assert depth == agreeing[0]


@given(VOTES)
def test_relabelling_classes_and_a_repeated_last_probe_change_nothing(drawn):
    probes, final = drawn
    place = np.array([2, 0, 1])
    depths = prediction_depth(probes, final)
    assert np.array_equal(prediction_depth(place[probes], place[final]), depths)
    deeper = prediction_depth(np.concatenate([probes, probes[-1:]]), final)
    assert np.array_equal(deeper, np.where(depths == 4, 5, depths))


def test_separable_features_have_depth_zero_and_a_wrong_layer_is_as_deep_as_it_lies():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    clear = 10.0 * np.eye(3)[labels] + rng.normal(size=(60, 3))
    noise = rng.normal(size=(60, 3))
    votes = {name: knn_predictions(clear[:9] if name else noise[:9], clear, labels, 5) for name in (0, 1)}
    assert prediction_depth([votes[1]] * 4, labels[:9]).tolist() == [0] * 9
    muddled = prediction_depth([votes[1], votes[0], votes[1]], labels[:9])
    assert set(muddled) == {0, 2}
    assert np.array_equal(muddled == 2, votes[0] != labels[:9])


@pytest.mark.parametrize(
    ("probes", "final", "told"),
    [
        ([0, 1], [0, 1], "not predictions"),
        (np.zeros((0, 2), int), [0, 1], "not predictions"),
        ([[0.5, 1.0]], [0, 1], "not predictions"),
        ([[0, 1, 1]], [0, 1], "do not fit"),
    ],
)
def test_bad_input_is_refused(probes, final, told):
    with pytest.raises(PrunescopeError, match=told):
        prediction_depth(probes, final)


def of(found, quantity, item=""):
    return next((v for v in found.values if (v.quantity, v.item) == (quantity, item)), None)


def test_the_measure_takes_each_networks_own_answer_or_the_label(synthetic):
    shown = synthetic.populations(networks=4, examples=100)
    votes = [np.stack([v.numpy() for v in s.evidence("probes").values()]) for s in shown.pruned]
    for target in ("prediction", "label"):
        found = PredictionDepth(target=target)(shown)
        answers = [s.predictions if target == "prediction" else s.labels for s in shown.pruned]
        expected = [prediction_depth(p, a.numpy()) for p, a in zip(votes, answers, strict=True)]
        assert of(found, "pruned_depth").value == pytest.approx(np.mean(expected))
        assert np.array_equal(found.arrays["pruned_depths"], expected)
        assert of(found, "pruned_never_wrong").value == np.mean(np.array(expected) == 0)
    flags = found.arrays["pie"]
    assert of(found, "pruned_depth", "PIE").n == flags.sum()


def test_what_it_asks_for_are_probes_with_its_options():
    measure = PredictionDepth(k=5, layers=("relu*",))
    assert measure.inference("probes") == Probes(k=5, layers=("relu*",))
    assert measure.inference("logits").member_name == "logits"


def test_missing_classes_and_one_network_are_measured_without_groups(synthetic):
    labels = [0, 0, 0, 1]
    shown = synthetic.from_predictions([[0, 0, 0, 1]], [[0, 0, 0, 1]], labels, 5)
    found = PredictionDepth()(shown)
    assert of(found, "auc") is None
    assert torch.equal(torch.tensor(found.arrays["pie"]), torch.zeros(4, dtype=torch.bool))
