import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Curve, PrunePotential, prune_potential
from prunescope.measures.error_curves import ErrorCurves, network_means
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


def curve(synthetic, wrong, parent, sparsities, view="test"):
    """Return a curve on one view from the numbers of wrong predictions of 200 by network and level."""
    labels = np.zeros(200, dtype=int)

    def predicted(counts):
        return np.array([[int(i < count) for i in range(200)] for count in counts])

    dense = predicted(parent)
    levels = []
    for counts, sparsity in zip(np.transpose(wrong), sparsities, strict=True):
        eye = 5.0 * np.eye(2)
        levels.append(synthetic.from_logits(eye[dense], eye[predicted(counts)], labels, sparsity=sparsity))
    return {view: tuple(levels)}


def found(measurement, quantity, item, seed=None):
    return next(v for v in measurement.values if (v.quantity, v.item, v.seed) == (quantity, item, seed))


SPARSITIES = (0.2, 0.5, 0.8)


def test_each_network_is_compared_with_its_own_parent_and_sparsities_are_what_the_masks_remove(synthetic):
    """Network 0 keeps 20 wrong to .5 and fails at .8; network 1, worse from the start, never fails."""
    views = curve(synthetic, [[20, 21, 40], [60, 60, 61]], [20, 60], SPARSITIES)
    measured = PrunePotential()(Curve(sparsities=(0.1, 0.2, 0.3), views=views))
    masks = [views["test"][i].pruned[0].state.mask.sparsity for i in range(3)]
    assert found(measured, "potential", "test", 0).value == pytest.approx(masks[1])
    assert found(measured, "potential", "test", 1).value == pytest.approx(masks[2])
    assert found(measured, "potential", "test").value == pytest.approx((masks[1] + masks[2]) / 2)


def test_mean_and_minimum_of_a_distribution_are_taken_network_by_network(synthetic):
    """On fog network 0 breaks first, on snow network 1: each has its own minimum."""
    views = {}
    for view, wrong in {
        "test": [[20, 20, 20], [20, 20, 20]],
        "corruption/fog/3": [[20, 40, 40], [20, 20, 20]],
        "corruption/snow/3": [[20, 20, 20], [20, 20, 40]],
        "noise/uniform_noise/0.1": [[40, 40, 40], [40, 40, 40]],
    }.items():
        views |= curve(synthetic, wrong, [20, 20], SPARSITIES, view)
    measured = PrunePotential()(Curve(sparsities=SPARSITIES, views=views))
    masks = [level.pruned[0].state.mask.sparsity for level in views["test"]]
    low, middle, high = masks
    assert found(measured, "minimum", "test distribution").value == pytest.approx((low + middle) / 2)
    assert found(measured, "mean", "test distribution").value == pytest.approx((low + high + high + middle) / 4)
    assert found(measured, "minimum", "train distribution").value == pytest.approx(high)
    assert found(measured, "potential", "noise/uniform_noise/0.1").value == 0.0


def test_being_certain_asks_for_more_than_the_estimate(synthetic):
    """One more error in 200 is within δ = .5 points, yet nothing that 200 images can be sure of."""
    views = curve(synthetic, [[20, 21, 20]], [20], SPARSITIES)
    measured = PrunePotential()(Curve(sparsities=SPARSITIES, views=views))
    assert found(measured, "potential", "test").value > 0.7
    unchanged = views["test"][0].pruned[0].state.mask.sparsity
    assert found(measured, "certain", "test").value == unchanged
    wide = PrunePotential(delta=(10.0,))(Curve(sparsities=SPARSITIES, views=views))
    assert found(wide, "certain", "test").value > 0.7


def test_the_interval_covers_the_potential_of_the_population():
    """Errors with true rises 0, 0.3 and 3 points: the second level's sparsity is the true potential."""
    rng, hits = np.random.default_rng(0), 0
    for trial in range(40):
        parent = rng.random((2, 1, 2000)) < 0.1
        pruned = [(parent | (rng.random((2, 1, 2000)) < rise)) for rise in (0.0, 0.0033, 0.033)]
        wrong = np.concatenate([parent, *pruned], axis=1).astype(np.float32)
        curves = ErrorCurves(
            sparsities=np.array([0.5, 0.8, 0.9]), views=("test",), wrong=(wrong,), unchanged=(False,) * 3
        )
        rows, drawn = curves.resampled(trial)
        draws = network_means(rows, potentials(curves.sparsities, 100 * (drawn[..., 1:] - drawn[..., :1]), 0.5))
        low, high = np.quantile(draws[:, 0], [0.025, 0.975])
        hits += low <= 0.8 <= high
    assert hits >= 36


def test_further_deltas_have_their_own_rows(synthetic):
    views = curve(synthetic, [[20, 24, 60]], [20], SPARSITIES)
    measured = PrunePotential(delta=(0.5, 2.0, -1.0))(Curve(sparsities=SPARSITIES, views=views))
    low, middle, _ = (level.pruned[0].state.mask.sparsity for level in views["test"])
    assert found(measured, "potential", "test").value == pytest.approx(low)
    assert found(measured, "potential", "test, δ = 2").value == pytest.approx(middle)
    assert found(measured, "potential", "test, δ = -1").value == 0.0


@pytest.mark.parametrize("delta", [(), (float("nan"),), (100.0,)])
def test_allowed_rises_that_mean_nothing_are_refused(delta):
    with pytest.raises((PrunescopeError, ValueError)):
        PrunePotential(delta=delta)
