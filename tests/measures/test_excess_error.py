import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.data import View
from prunescope.measures import Curve, ExcessErrors, excess_error

LEVELS = np.array([0.2, 0.5, 0.8, 0.9])


def test_a_hand_sized_case():
    found = excess_error([0.5, 0.8], [8.0, 9.0], [31.0, 32.6], parent_nominal=8.0, parent_shifted=30.0)
    assert found.excess == pytest.approx([1.0, 1.6])
    assert found.slope == pytest.approx((0.5 * 1.0 + 0.8 * 1.6) / (0.25 + 0.64))
    assert found.slope_with_intercept == pytest.approx(2.0)
    assert found.intercept == pytest.approx(0.0)


def test_the_parent_has_none():
    found = excess_error(LEVELS, [8.0] * 4, [30.0] * 4, 8.0, 30.0)
    assert found.excess.tolist() == [0.0] * 4
    assert found.slope == 0.0


def test_the_slope_of_synthetic_data_is_recovered():
    rng = np.random.default_rng(0)
    shifted = 30 + 2.1 * LEVELS + 0.01 * rng.standard_normal((50, 4))
    found = excess_error(LEVELS, np.full((50, 4), 8.0), shifted, np.full(50, 8.0), np.full(50, 30.0))
    assert found.slope == pytest.approx(2.1, abs=0.01)
    assert found.slope_with_intercept == pytest.approx(2.1, abs=0.02)


@given(st.integers(1, 4), st.integers(0, 2**31))
def test_both_lines_are_least_squares_over_all_points_pooled(networks, seed):
    rng = np.random.default_rng(seed)
    nominal, shifted = rng.random((2, networks, 4))
    dense = rng.random((2, networks))
    found = excess_error(LEVELS, nominal, shifted, *dense)
    x, y = np.tile(LEVELS, networks), found.excess.ravel()
    assert found.slope == pytest.approx(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0])
    slope, intercept = np.polyfit(x, y, 1)
    assert found.slope_with_intercept == pytest.approx(slope)
    assert found.intercept == pytest.approx(intercept)


def test_one_network_may_leave_its_axis_out():
    single = excess_error(LEVELS, [1.0, 2, 3, 4], [2.0, 4, 6, 9], 1.0, 1.5)
    table = excess_error(LEVELS, [[1.0, 2, 3, 4]], [[2.0, 4, 6, 9]], [1.0], [1.5])
    assert single.excess.tolist() == table.excess[0].tolist()
    assert single.slope == table.slope


def test_equal_sparsities_have_no_line_with_an_intercept():
    found = excess_error([0.5], [1.0], [2.0], 1.0, 1.0)
    assert (found.slope, found.slope_with_intercept, found.intercept) == (2.0, None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        ([], [], [], 0.0, 0.0),
        ([0.5], [1.0, 2.0], [1.0, 2.0], 0.0, 0.0),
        ([0.5], [[1.0]], [[1.0]], 0.0, 0.0),
        ([0.5], [1.0], [[1.0]], 0.0, 0.0),
        ([0.0], [1.0], [1.0], 0.0, 0.0),
        ([1.0], [1.0], [1.0], 0.0, 0.0),
        ([0.5], [float("nan")], [1.0], 0.0, 0.0),
    ],
)
def test_bad_input_is_refused(arguments):
    with pytest.raises(PrunescopeError):
        excess_error(*arguments)


def test_the_measure_is_the_function_on_mean_errors(synthetic):
    whole = synthetic.populations(networks=3, examples=80)
    shown = synthetic.shown("curve", whole)
    measured = ExcessErrors()(shown)

    def errors(view, side):
        levels = shown.views[view]
        found = [[(s.predictions != s.labels).float().mean() for s in getattr(level, side)] for level in levels]
        return 100 * np.array(found, dtype=float).T

    masks = [level.pruned[0].state.mask.sparsity for level in shown.views["test"]]
    expected = excess_error(
        masks,
        errors("test", "pruned"),
        errors("corruption/fog/3", "pruned"),
        errors("test", "dense")[:, 0],
        errors("corruption/fog/3", "dense")[:, 0],
    )
    by_level = {v.item: v.value for v in measured.values if v.quantity == "excess"}
    assert by_level == pytest.approx(
        {f"{s:.4g}": e for s, e in zip(masks, expected.excess.mean(axis=0), strict=True)}, abs=1e-4
    )
    assert measured["slope"].value == pytest.approx(expected.slope, abs=1e-4)
    assert measured["slope_with_intercept"].value == pytest.approx(expected.slope_with_intercept, abs=1e-4)


def test_without_a_shifted_view_it_says_so(synthetic):
    shown = synthetic.shown("curve", synthetic.populations())
    nominal = Curve(sparsities=shown.sparsities, views={"test": shown.views["test"]})
    found = ExcessErrors()(nominal)
    assert found.status == "not applicable"
    assert "test distribution" in found.reason


def test_views_of_the_train_distribution_are_not_counted_twice(synthetic):
    """Robust training: what was trained on belongs to the train distribution although its name says corruption."""
    shown = synthetic.shown("curve", synthetic.populations())
    robust = ExcessErrors(nominal=("test", "corruption/fog/*"))(shown)
    assert robust.status == "not applicable"


def test_it_sees_only_views_of_its_distributions():
    measure = ExcessErrors()
    assert measure.sees(View.parse("corruption/fog/3[100]"))
    assert measure.sees(View.parse("test"))
    assert not measure.sees(View.parse("noise/uniform_noise/0.1"))
