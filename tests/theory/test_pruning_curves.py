"""Pruning curves: published setting, limits, and agreement with the general error formula."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.theory import generalization_error, node_error, node_error_range, random_edge_error

# N = 500 inputs, M = 2 teacher nodes, K = 6 students, v* = 4 (Acharyya et al., UAI 2021): edges kept and error
EDGES = [(83, 3.760), (166, 2.578), (250, 1.659), (333, 0.951), (417, 0.399), (500, 0.0)]
NODES = [
    (1, 3.852, 3.852, 3.852),
    (2, 2.370, 2.963, 2.607),
    (3, 1.481, 2.667, 1.600),
    (4, 0.593, 1.185, 0.830),
    (5, 0.296, 0.296, 0.296),
    (6, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("edges", "error"), EDGES)
def test_random_edges_in_the_published_setting(edges, error):
    assert random_edge_error(edges / 500, z=3, m=2, v_star=4.0) == pytest.approx(error, abs=5e-4)


@pytest.mark.parametrize(("nodes", "best", "worst", "mean"), NODES)
def test_nodes_in_the_published_setting(nodes, best, worst, mean):
    assert node_error_range(nodes, z=3, m=2, v_star=4.0) == pytest.approx((best, worst, mean), abs=5e-4)


def blocks(z: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    return np.kron(np.eye(m), np.ones((z, z))), np.kron(np.eye(m), np.ones((z, 1)))


@given(st.floats(0, 1), st.integers(1, 5), st.integers(1, 4), st.floats(-5, 5))
def test_random_edges_are_the_error_of_the_thinned_overlaps(c, z, m, v_star):
    inside, mixed = blocks(z, m)
    q = np.where(np.eye(z * m, dtype=bool), c, c**2 * inside)
    general = generalization_error(q, c * mixed, np.eye(m), np.full(z * m, v_star / z), np.full(m, v_star))
    assert random_edge_error(c, z, m, v_star) == pytest.approx(general, abs=1e-9)


@given(st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.floats(-5, 5))
def test_nodes_are_the_error_without_their_second_layer(z, kept, v_star):
    kept = [min(n, z) for n in kept]
    inside, mixed = blocks(z, len(kept))
    v = np.concatenate([np.arange(z) < n for n in kept]) * v_star / z
    general = generalization_error(inside, mixed, np.eye(len(kept)), v, np.full(len(kept), v_star))
    assert node_error(kept, z, v_star) == pytest.approx(general, abs=1e-9)


def test_limits():
    assert random_edge_error(1.0, 3, 2, 4.0) == 0.0
    assert random_edge_error(0.0, 3, 2, 4.0) == pytest.approx(2 * 16 / 6)
    assert node_error([0, 0], 3, 4.0) == pytest.approx(random_edge_error(0.0, 3, 2, 4.0))
    assert node_error([3, 3], 3, 4.0) == 0.0
    assert node_error_range(0, 1, 1, 4.0) == pytest.approx((16 / 6,) * 3)


def test_errors_fall_as_more_is_kept():
    curve = [random_edge_error(c, 3, 2, 4.0) for c in np.linspace(0, 1, 50)]
    assert all(a > b for a, b in pairwise(curve))


@pytest.mark.parametrize(("z", "m"), [(3, 2), (2, 3), (1, 4), (4, 1)])
def test_best_worst_and_mean_over_all_choices(z, m):
    for nodes in range(z * m + 1):
        choices = combinations(np.repeat(range(m), z).tolist(), nodes)
        errors = [node_error([choice.count(block) for block in range(m)], z, 2.0) for choice in choices]
        expected = (min(errors), max(errors), np.mean(errors))
        assert node_error_range(nodes, z, m, 2.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: random_edge_error(1.5, 3, 2, 4.0), "edges kept"),
        (lambda: random_edge_error(float("nan"), 3, 2, 4.0), "edges kept"),
        (lambda: random_edge_error(0.5, 0, 2, 4.0), "z counts"),
        (lambda: random_edge_error(0.5, 3, 1.5, 4.0), "m counts"),
        (lambda: random_edge_error(0.5, float("nan"), 2, 4.0), "z counts"),
        (lambda: random_edge_error(0.5, 3, 2, float("inf")), "not finite"),
        (lambda: node_error([4, 0], 3, 4.0), "nodes left in a block"),
        (lambda: node_error([-1], 3, 4.0), "nodes left in a block"),
        (lambda: node_error([0.5], 3, 4.0), "nodes left in a block"),
        (lambda: node_error([], 3, 4.0), "m counts"),
        (lambda: node_error_range(7, 3, 2, 4.0), "nodes left"),
        (lambda: node_error_range(-1, 3, 2, 4.0), "nodes left"),
    ],
)
def test_refusals(act, message):
    with pytest.raises(PrunescopeError, match=message):
        act()
