from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from prunescope.similarity import layer_grid, nbs, procrustes_distance


def pair(n=50, p=4, q=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 1
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(n, q))


def test_the_best_rotation_is_scipys():
    x, y = (z - z.mean(0) for z in pair())
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rotation, _ = orthogonal_procrustes(y, x)
    assert procrustes_distance(x, y) == pytest.approx(np.linalg.norm(x - y @ rotation), abs=1e-12)


def test_scipys_disparity_is_one_minus_the_squared_similarity():
    x, y = pair()
    similarity = 1 - procrustes_distance(x, y) ** 2 / 2
    assert procrustes(x, y)[2] == pytest.approx(1 - similarity**2, abs=1e-12)


@pytest.mark.parametrize("shape", [(50, 4, 4), (50, 2, 7), (50, 7, 2), (10, 30, 40), (10, 3, 40)])
def test_it_carries_the_information_of_nbs_also_between_widths(shape):
    x, y = pair(*shape)
    assert procrustes_distance(x, y) ** 2 == pytest.approx(2 * (1 - nbs(x, y)), abs=1e-12)


def test_by_hand():
    x = np.array([[1.0], [-1.0], [0.0], [0.0]])
    y = np.array([[0.0], [0.0], [1.0], [-1.0]])
    assert procrustes_distance(x, y) == pytest.approx(math.sqrt(2))
    assert procrustes_distance(x, np.c_[x, y]) == pytest.approx(math.sqrt(2 - math.sqrt(2)))


def test_small_distances_keep_their_digits():
    x, _ = pair()
    noise = np.random.default_rng(1).normal(size=x.shape)
    one, tenth = (procrustes_distance(x, x + size * noise) for size in (1e-10, 1e-11))
    assert one / tenth == pytest.approx(10, rel=1e-3)


def test_a_grid_is_made_of_its_pairs():
    x, y = pair()
    found = layer_grid([x, y], [y, x[:, :2]], metric="procrustes_distance")
    expected = [[procrustes_distance(a, b) for b in (y, x[:, :2])] for a in (x, y)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
