import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import bootstrap_interval
from prunescope.measures.groups import group_means, mean_share, separated, separation, two_way_interval


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores, flags = rng.integers(5, size=80), rng.random(80) < 0.3
    found = separation(scores, flags)
    assert found.value == pytest.approx(roc_auc_score(flags, scores))
    assert 0 < found.low <= found.value <= found.high < 1


@pytest.mark.parametrize(("scores", "value"), [([1, 1, 2, 2], 1.0), ([2, 2, 1, 1], 0.0), ([1, 1, 1, 1], 0.5)])
def test_perfect_and_empty_signs_have_an_interval_too(scores, value):
    found = separation(scores, [False, False, True, True])
    assert found.value == value
    assert found.high - found.low > 0.1


def test_the_interval_covers_the_truth():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):
        flags = np.arange(120) < 30
        found = separation(rng.normal(size=120) + flags, flags)
        hits += found.low <= 0.7602 <= found.high  # Φ(1/√2)
    assert 180 <= hits <= 198


def test_a_separation_needs_both_sides():
    with pytest.raises(PrunescopeError, match="flagged examples and others"):
        separation([1.0, 2.0], [True, True])
    assert separated("auc", [[1.0, 2.0]], np.array([False, False])) == []


def test_means_of_groups_by_hand():
    values = group_means("s", [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], np.array([True, False, False]))
    assert {v.item: (v.value, v.n) for v in values} == {"": (2.0, 3), "PIE": (2.0, 1), "not PIE": (2.0, 2)}
    assert [v.item for v in group_means("s", [[1.0]], np.array([False]))] == ["", "not PIE"]


def test_a_share_of_alike_values_has_a_width():
    assert mean_share("s", np.zeros((2, 10))).high > 0
    assert mean_share("s", np.ones((2, 10))).low < 1
    some = mean_share("s", [[1, 0, 0, 0], [0, 0, 0, 0]])
    assert (some.value, some.n, some.low) == (0.125, 4, 0.0)


@pytest.mark.parametrize(("networks", "examples"), [(1, 200), (5, 300), (30, 50)])
def test_the_two_way_interval_is_that_of_the_bootstrap(networks, examples):
    rng = np.random.default_rng(networks)
    table = rng.normal(size=(networks, 1)) + rng.normal(size=examples) + rng.normal(size=(networks, examples))
    closed, drawn = two_way_interval(table), bootstrap_interval(table, resamples=4000)
    assert closed.high - closed.low == pytest.approx(drawn.high - drawn.low, rel=0.06)
    assert sum(closed) / 2 == pytest.approx(table.mean())


def test_the_two_way_interval_is_cut_and_refuses_what_is_not_finite():
    low, high = two_way_interval([[0.0, 1.0], [0.0, 0.0]], low=0, high=0.3)
    assert (low, high) == (0.0, 0.3)
    with pytest.raises(PrunescopeError, match="finite"):
        two_way_interval([[np.nan]])
