"""Expected errors of random pruning: against all choices, samples of masks, and the closed forms of ideal students."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.theory import (
    expected_edge_errors,
    expected_node_errors,
    generalization_errors,
    node_error_range,
    order_parameters,
    random_edge_error,
)


def ideal(z, m):
    return np.kron(np.eye(m), np.ones((z, z))), np.kron(np.eye(m), np.ones((z, 1))), np.eye(m)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_the_mean_over_nodes_is_that_of_all_choices(seed, students, teachers, data):
    kept = data.draw(st.integers(0, students))
    rng = np.random.default_rng(seed)
    w, w_star = rng.standard_normal((students, 30)), rng.standard_normal((teachers, 30))
    v, v_star = rng.standard_normal(students), rng.standard_normal(teachers)
    whole = order_parameters(w, w_star)
    masks = np.array([np.isin(np.arange(students), chosen) for chosen in combinations(range(students), kept)])
    each = generalization_errors(*whole, v * masks, v_star, 0.3)
    assert float(expected_node_errors(*whole, v, v_star, kept, 0.3)) == pytest.approx(each.mean(), rel=1e-9)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_random_edges_scatter_around_their_expectation(keep):
    rng = np.random.default_rng(3)
    w, w_star = rng.standard_normal((4, 400)), rng.standard_normal((2, 400))
    v, v_star = rng.standard_normal(4), np.array([2.0, -1.0])
    each = []
    for _ in range(300):
        q, r, t = order_parameters(w * (rng.random(w.shape) < keep), w_star)
        each.append(float(generalization_errors(q, r, t, v, v_star)))
    expected = float(expected_edge_errors(*order_parameters(w, w_star), v, v_star, keep))
    assert expected == pytest.approx(np.mean(each), abs=4 * np.std(each) / np.sqrt(300) + 5 / 400)


@pytest.mark.parametrize(("z", "m"), [(3, 2), (1, 4), (10, 2)])
def test_ideal_students_meet_their_closed_forms(z, m):
    v, v_star = np.full(z * m, 4 / z), np.full(m, 4.0)
    for keep in (0.0, 0.3, 1.0):
        told = float(expected_edge_errors(*ideal(z, m), v, v_star, keep))
        assert told == pytest.approx(random_edge_error(keep, z, m, 4.0), abs=1e-12)
    for kept in range(z * m + 1):
        told = float(expected_node_errors(*ideal(z, m), v, v_star, kept))
        assert told == pytest.approx(node_error_range(kept, z, m, 4.0).mean, abs=1e-12)


def test_leading_axes_and_refusals():
    q, r, t = ideal(2, 2)
    many = expected_node_errors(np.stack([q, q]), r, t, np.ones(4), np.ones(2), 3)
    assert many.shape == (2,)
    for kept in (-1, 5, 2.5, True):
        with pytest.raises(PrunescopeError, match="nodes kept"):
            expected_node_errors(q, r, t, np.ones(4), np.ones(2), kept)
    for keep in (-0.1, 1.1):
        with pytest.raises(PrunescopeError, match="probability to keep"):
            expected_edge_errors(q, r, t, np.ones(4), np.ones(2), keep)
    with pytest.raises(PrunescopeError, match="σ ≥ 0"):
        expected_edge_errors(q, r, t, np.ones(4), np.ones(2), 0.5, noise=-1)
