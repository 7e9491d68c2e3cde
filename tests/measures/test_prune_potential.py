import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.measures import prune_potential
from prunescope.measures.prune_potential import potentials

LEVELS = [0.5, 0.8, 0.9, 0.95]
CURVES = st.lists(st.tuples(st.integers(1, 98), st.integers(0, 60)), min_size=1, max_size=8, unique_by=lambda p: p[0])


def test_a_hand_sized_curve():
    assert prune_potential(LEVELS, [8.0, 8.4, 9.0, 12.0], parent_error=8.0, delta=0.5) == 0.8


def test_the_parent_itself_has_potential_zero_when_no_level_passes():
    assert prune_potential(LEVELS, [9.0, 9.0, 9.0, 9.0], 8.0, 0.5) == 0.0
    assert prune_potential([0.0], [8.0], 8.0, 0.0) == 0.0


@given(CURVES)
def test_everything_passes_when_all_may_be_lost(curve):
    levels, errors = zip(*curve, strict=True)
    assert prune_potential(np.array(levels) / 100, np.array(errors) / 100, 0.0, 1.0) == max(levels) / 100


def test_a_curve_that_recovers_gives_its_largest_passing_level_and_the_monotone_rule_stops_at_the_gap():
    errors = [8.0, 9.0, 8.5, 30.0]
    assert prune_potential(LEVELS, errors, 8.0, 0.5) == 0.9
    assert prune_potential(LEVELS, errors, 8.0, 0.5, rule="monotone") == 0.5


@pytest.mark.parametrize(("error", "parent", "delta"), [(0.105, 0.1, 0.005), (0.3, 0.1, 0.2), (31.7, 31.2, 0.5)])
def test_equality_passes_whatever_rounding_does(error, parent, delta):
    assert prune_potential([0.7], [error], parent, delta) == 0.7


@given(CURVES, st.integers(0, 40), st.integers(-10, 10))
def test_brute_force_over_levels_in_any_order(curve, parent, delta):
    levels, errors = zip(*curve, strict=True)
    expected = max([s for s, e in curve if e <= parent + delta], default=0) / 100
    found = prune_potential(np.array(levels) / 100, errors, parent, delta)
    assert found == expected
    monotone = prune_potential(np.array(levels) / 100, errors, parent, delta, rule="monotone")
    assert monotone <= found
    failing = min([s for s, e in curve if e > parent + delta], default=100) / 100
    assert monotone == max([s / 100 for s in levels if s / 100 < failing], default=0.0)


@given(CURVES, st.integers(0, 40), st.integers(0, 10))
def test_interpolation_ends_between_the_largest_passing_level_and_the_next(curve, parent, delta):
    levels = np.array([s for s, _ in curve]) / 100
    errors = [e for _, e in curve]
    passing = prune_potential(levels, errors, parent, delta)
    found = prune_potential(levels, errors, parent, delta, rule="interpolated")
    after = min([s for s in levels if s > passing], default=passing)
    assert passing <= found <= after


def test_interpolation_by_hand():
    assert prune_potential([0.5, 0.8], [8.2, 9.2], 8.0, 0.5, rule="interpolated") == pytest.approx(0.59)
    assert prune_potential([0.5], [9.0], 8.0, 0.5, rule="interpolated") == pytest.approx(0.25)
    assert prune_potential([0.5], [8.1], 8.0, 0.5, rule="interpolated") == 0.5
    assert prune_potential([0.5], [8.1], 8.0, -0.5, rule="interpolated") == 0.0


@given(CURVES, st.floats(-3, 3), st.floats(0, 3))
def test_allowing_more_never_lowers_it(curve, delta, more):
    levels, errors = np.array([s for s, _ in curve]) / 100, [e for _, e in curve]
    for rule in ("largest", "monotone"):
        before = prune_potential(levels, errors, 5.0, delta, rule=rule)
        assert before <= prune_potential(levels, errors, 5.0, delta + more, rule=rule)


def test_many_curves_at_once_are_the_single_ones():
    rng = np.random.default_rng(0)
    levels, errors = np.array([0.2, 0.5, 0.7, 0.9]), rng.integers(0, 9, size=(6, 5, 4)).astype(float)
    for rule in ("largest", "monotone", "interpolated"):
        whole = potentials(levels, errors - 4.0, 1.0, rule)
        single = [[prune_potential(levels, row, 4.0, 1.0, rule=rule) for row in table] for table in errors]
        assert whole == pytest.approx(np.array(single))


@pytest.mark.parametrize(
    "arguments",
    [
        ([], [], 1.0, 0.5),
        ([0.5], [1.0, 2.0], 1.0, 0.5),
        ([1.0], [1.0], 1.0, 0.5),
        ([-0.1], [1.0], 1.0, 0.5),
        ([0.5], [float("nan")], 1.0, 0.5),
        ([0.5], [1.0], float("inf"), 0.5),
        ([0.5], [1.0], 1.0, float("nan")),
    ],
)
def test_bad_input_is_refused(arguments):
    with pytest.raises(PrunescopeError):
        prune_potential(*arguments)
