import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import stats

import prunescope.measures
from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import benjamini_hochberg
from prunescope.measures import Pie, dense_floor, modal_labels, pie

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 9))
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(*[arrays(np.int64, shape, elements=st.integers(0, 3)) for _ in range(2)])
)


def test_the_name_in_the_package_is_the_function():
    assert prunescope.measures.pie is pie
    assert callable(prunescope.measures.pie)


def test_a_hand_sized_case_with_a_tie():
    """Unchanged; changed 2:1; a tie 1–2 that goes to class 1 without probabilities and to class 2 with them."""
    dense, pruned = [[0, 3, 1], [0, 3, 1]], [[0, 1, 1], [0, 1, 2]]
    assert pie(dense, pruned).tolist() == [False, True, False]
    summed = np.array([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0.8, 1.2, 0]])
    assert pie(dense, pruned, pruned_probabilities=summed).tolist() == [False, True, True]


@given(PAIRS)
def test_it_is_the_comparison_of_scipys_modes(pair):
    dense, pruned = pair
    assert np.array_equal(pie(dense, pruned), stats.mode(dense, axis=0).mode != stats.mode(pruned, axis=0).mode)


@settings(max_examples=60)
@given(PAIRS, st.integers(0, 1000))
def test_neither_the_order_of_networks_nor_the_names_of_classes_matter(pair, seed):
    dense, pruned = pair
    rng = np.random.default_rng(seed)
    left, right = (rng.dirichlet(np.ones(4), size=votes.shape) for votes in (dense, pruned))
    flags = pie(dense, pruned, dense_probabilities=left, pruned_probabilities=right)
    order = rng.permutation(len(dense))
    shuffled = pie(dense[order], pruned, dense_probabilities=left[order], pruned_probabilities=right)
    assert np.array_equal(flags, shuffled)
    names = rng.permutation(4)
    back = np.argsort(names)
    renamed = pie(
        names[dense], names[pruned], dense_probabilities=left[..., back], pruned_probabilities=right[..., back]
    )
    assert np.array_equal(flags, renamed)


@given(PAIRS)
def test_a_population_forgets_nothing_against_itself(pair):
    assert not pie(pair[0], pair[0]).any()
    assert np.array_equal(pie(*pair), pie(pair[1], pair[0]))


def test_populations_of_other_sizes_are_refused():
    with pytest.raises(PrunescopeError, match="differ in shape"):
        pie([[0, 1], [0, 1]], [[0, 1]])
    with pytest.raises(PrunescopeError, match="pruned: not predictions"):
        pie([[0, 1]], [0, 1])


@pytest.mark.parametrize("networks", [2, 3, 4, 5])
def test_the_floor_compares_all_halves(networks):
    rng = np.random.default_rng(networks)
    votes, probabilities = rng.integers(3, size=(networks, 40)), rng.dirichlet(np.ones(3), size=(networks, 40))
    rates = set()
    for chosen in itertools.combinations(range(networks), networks // 2):
        rest = [i for i in range(networks) if i not in chosen]
        one, two = (modal_labels(votes[i], probabilities[i]).label for i in (list(chosen), rest))
        rates.add(round(float(np.mean(one != two)), 9))
    found = dense_floor(votes, probabilities)
    assert {round(float(rate), 9) for rate in found} == rates
    assert dense_floor(votes).shape == found.shape


def test_the_floor_of_many_networks_is_drawn_from_the_seed():
    votes = np.random.default_rng(0).integers(3, size=(12, 50))
    assert dense_floor(votes).shape == (126,)
    assert np.array_equal(dense_floor(votes), dense_floor(votes))
    assert not np.array_equal(dense_floor(votes), dense_floor(votes, seed=1))


def test_the_floor_refuses_one_network_and_probabilities_that_cannot_be_split():
    with pytest.raises(PrunescopeError, match="two networks"):
        dense_floor([[0, 1]])
    with pytest.raises(PrunescopeError, match="each network"):
        dense_floor([[0, 1], [1, 1]], np.full((2, 2), 1.0))


def of_item(measurement, quantity):
    return {v.item: v for v in measurement.values if v.quantity == quantity and v.item}


def test_the_measure_counts_what_the_function_flags(synthetic):
    shown = synthetic.populations(networks=4, examples=200)
    probabilities = [np.stack([s.probabilities.numpy() for s in side]) for side in (shown.dense, shown.pruned)]
    flags = pie(*shown.predictions, dense_probabilities=probabilities[0], pruned_probabilities=probabilities[1])
    found = Pie()(shown)
    assert np.array_equal(found.arrays["pie"], flags)
    assert found["count"].value == flags.sum() > 0
    assert found["rate"].value == flags.mean()
    assert found["rate"].floor == pytest.approx(dense_floor(shown.predictions[0], probabilities[0]).mean())
    assert found["excess"].value == pytest.approx(found["rate"].value - found["rate"].floor)
    votes = [modal_labels(p, q) for p, q in zip(shown.predictions, probabilities, strict=True)]
    assert found["ties"].value == (votes[0].tied | votes[1].tied).sum() > 0
    assert np.array_equal(found.arrays["pruned_vote"], votes[1].label)
    assert np.array_equal(found.arrays["dense_share"], votes[0].share)


def test_classes_are_tested_by_the_hypergeometric_law(synthetic):
    """All PIEs fall into class 0: its p-value is the upper tail of drawing only class 0, doubled by symmetry or not."""
    dense = np.zeros((2, 40), dtype=int)
    dense[:, 20:] = 1
    pruned = dense.copy()
    pruned[:, :5] = 1
    found = Pie()(synthetic.from_predictions(dense, pruned, dense[0], 2))
    rates = of_item(found, "rate")
    assert (rates["c0"].value, rates["c1"].value) == (0.25, 0.0)
    law = stats.hypergeom(40, 20, 5)
    p = sum(law.pmf(k) for k in range(6) if law.pmf(k) <= law.pmf(5) * (1 + 1e-9))
    assert rates["c0"].p == pytest.approx(benjamini_hochberg([p, p])[0])


def test_accuracy_is_lower_on_pies_than_elsewhere_and_by_hand_where_they_are_few(synthetic):
    labels = [0, 0, 0, 1]
    found = Pie()(synthetic.from_predictions([[0, 0, 0, 1]] * 2, [[1, 0, 0, 1]] * 2, labels, 2))
    dense, pruned = of_item(found, "dense_accuracy"), of_item(found, "pruned_accuracy")
    assert (dense["PIE"].value, pruned["PIE"].value, pruned["not PIE"].value) == (1.0, 0.0, 1.0)
    assert (pruned["PIE"].n, pruned["random"].n, pruned["not PIE"].n) == (1, 1, 3)
    hard = Pie()(synthetic.populations(networks=4, examples=300))
    assert of_item(hard, "dense_accuracy")["PIE"].value < of_item(hard, "dense_accuracy")["not PIE"].value


def test_without_any_pie_there_is_no_accuracy_on_them(synthetic):
    found = Pie()(synthetic.populations(same=True))
    assert set(of_item(found, "dense_accuracy")) == {"not PIE"}
    assert (found["rate"].value, found["rate"].low, found["rate"].high) == (0.0, 0.0, 0.0)
    assert found["rate"].floor > 0
    assert found["excess"].value == -found["rate"].floor
    assert found["excess"].low < found["excess"].value < found["excess"].high  # the floor depends on the examples


def test_all_examples_can_be_pies(synthetic):
    found = Pie()(synthetic.from_predictions([[0, 1]] * 2, [[1, 0]] * 2, [0, 1], 2))
    assert found["rate"].value == 1.0
    assert set(of_item(found, "pruned_accuracy")) == {"PIE", "random"}


def test_one_network_is_not_applicable_and_few_are_noted(synthetic):
    alone = Pie()(synthetic.populations(networks=1))
    assert (alone.status, alone.values) == ("not applicable", ())
    assert "populations" in alone.reason
    notes = Pie()(synthetic.populations(networks=3)).notes
    assert any("descend" in note for note in notes)
    assert any("conservative" in note for note in notes)
    assert any("3 networks" in note for note in notes)


def test_the_interval_covers_the_rate_that_new_networks_and_examples_would_give(synthetic):
    rates, intervals = [], []
    for seed in range(40):
        rate = Pie()(synthetic.populations(networks=5, examples=150, seed=seed))["rate"]
        rates.append(rate.value)
        intervals.append((rate.low, rate.high))
    assert np.mean([low <= np.mean(rates) <= high for low, high in intervals]) >= 0.9


def test_contested_examples_alone_give_the_bootstrap_of_all(synthetic):
    """The shortcut against the plain bootstrap: draw networks and examples, vote again, compare."""
    shown = synthetic.populations(networks=4, examples=60)
    probabilities = [np.stack([s.probabilities.numpy() for s in side]) for side in (shown.dense, shown.pruned)]
    rng, draws = np.random.default_rng(2), []
    null = np.zeros(60)
    for one, two in (([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])):
        halves = [modal_labels(shown.predictions[0][i], probabilities[0][i]).label for i in (one, two)]
        null += (halves[0] != halves[1]) / 3
    for _ in range(1500):
        rows, columns = rng.integers(4, size=4), rng.integers(60, size=60)
        votes = [
            modal_labels(p[rows][:, columns], q[rows][:, columns]).label
            for p, q in zip(shown.predictions, probabilities, strict=True)
        ]
        flags, inside = votes[0] != votes[1], shown.labels[columns] == 0
        draws.append([flags.mean(), flags.mean() - null[columns].mean(), flags[inside].mean() if inside.any() else 0])
    found = Pie()(shown)
    for value, drawn in zip(
        (found["rate"], found["excess"], of_item(found, "rate")["c0"]), np.transpose(draws), strict=True
    ):
        low, high = np.quantile(drawn - drawn.mean() + value.value, [0.025, 0.975])
        expected = (max(low, -1 if value.quantity == "excess" else 0), high)
        assert (value.low, value.high) == pytest.approx(expected, abs=0.025)
