import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.sampling_bound import allocate, sampling_error


def total_error(samples, alpha, scale):
    return float((scale * sampling_error(samples, alpha)).sum())


def test_the_bound_of_none_of_many_and_of_nothing_to_lose():
    assert sampling_error(0, 1.0) == np.inf
    assert sampling_error(0, 0.0) == 0
    m = np.array([1e8, 1e10])
    np.testing.assert_allclose(sampling_error(m, 2.0), np.sqrt(6 * 2.0 / (3 * m)) / 2, rtol=1e-3)  # the leading term
    assert np.all(np.diff(sampling_error(np.arange(1, 50), 7.0)) < 0)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_real_minimum_is_that_of_a_general_convex_solver(seed):
    rng = np.random.default_rng(seed)
    alpha, scale, most = rng.uniform(1, 500, 4), rng.uniform(0.1, 2, 4), rng.integers(200, 1000, 4)
    total = int(rng.integers(50, most.sum() - 1))
    ours = allocate(alpha, scale, most, total)
    start = most * total / most.sum()
    peer = minimize(
        lambda m: total_error(m, alpha, scale) * 100,
        start,
        method="SLSQP",
        bounds=[(1e-3, m) for m in most],
        constraints={"type": "eq", "fun": lambda m: m.sum() - total},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert peer.success
    np.testing.assert_allclose(ours, peer.x, atol=0.01 * total + 1)
    slack = total_error(np.maximum(peer.x - 1, 1e-3), alpha, scale) - total_error(peer.x, alpha, scale)
    assert total_error(ours, alpha, scale) <= total_error(peer.x, alpha, scale) + slack


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_counts_are_whole_exact_and_inside_the_bounds(data):
    halves = data.draw(st.integers(1, 12))
    numbers = st.lists(st.just(0.0) | st.floats(1e-20, 1e6), min_size=halves, max_size=halves)
    alpha = np.array(data.draw(numbers))
    most = np.array(data.draw(st.lists(st.integers(0, 50), min_size=halves, max_size=halves)))
    total = data.draw(st.integers(0, 700))
    told = allocate(alpha, np.ones(halves), most, total)
    available = int(most[alpha > 0].sum())
    assert told.sum() == min(total, available)
    assert np.all((told >= 0) & (told <= np.where(alpha > 0, most, 0)))


def test_equal_halves_get_equal_shares_and_larger_sensitivities_more():
    assert allocate([5.0] * 4, [1.0] * 4, [10] * 4, 18).tolist() == [5, 5, 4, 4]
    told = allocate([1.0, 10.0, 100.0, 1000.0], [1.0] * 4, [1000] * 4, 1000)
    assert np.all(np.diff(told) > 0)


def test_halves_without_any_response_get_nothing():
    assert allocate([0.0, 1e-300, 5.0], [1.0] * 3, [9, 9, 4], 6).tolist() == [0, 0, 4]


def test_less_than_none_is_refused():
    with pytest.raises(PrunescopeError, match="samples below 0"):
        allocate([1.0], [1.0], [1], -1)
