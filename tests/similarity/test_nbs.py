from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import nbs, nbs_from_kernels


def pair(n=30, p=4, q=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 1
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(n, q))


def centred_gram(x):
    x = x - x.mean(0)
    return x @ x.T


@pytest.mark.parametrize("shape", [(30, 4, 6), (10, 40, 50), (10, 40, 3)])
def test_the_nuclear_norm_is_the_trace_of_the_root(shape):
    x, y = pair(*shape)
    k, m = centred_gram(x), centred_gram(y)
    values, vectors = np.linalg.eigh(k)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    squares = np.linalg.eigvalsh(root @ m @ root).clip(0)
    expected = np.sqrt(squares).sum() / math.sqrt(np.trace(k) * np.trace(m))
    assert nbs(x, y) == pytest.approx(expected, abs=1e-6)


def test_it_is_the_fidelity_of_the_covariances_for_square_roots_of_scipy():
    x, y = pair(n=8, p=12, q=12)
    k, m = (centred_gram(z) + 1e-3 * (np.eye(8) - 1 / 8) for z in (x, y))
    root = scipy.linalg.sqrtm(k + 1e-13 * np.eye(8)).real
    inner = scipy.linalg.sqrtm(root @ m @ root + 1e-13 * np.eye(8)).real
    expected = np.trace(inner) / math.sqrt(np.trace(k) * np.trace(m))
    assert nbs_from_kernels(k, m) == pytest.approx(expected, abs=1e-5)


def test_by_hand():
    # XᵀY = diag(2·3, 1·0): nuclear norm 6·2, norms √(2(4 + 1)) and √(2·9)
    x = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    y = np.array([[3.0], [-3.0], [0.0], [0.0]])
    assert nbs(x, y) == pytest.approx(12 / math.sqrt(10 * 18))


@pytest.mark.parametrize("shape", [(30, 4, 6), (10, 40, 50)])
def test_kernels_give_the_value_of_their_features(shape):
    x, y = pair(*shape)
    assert nbs_from_kernels(x @ x.T, y @ y.T) == pytest.approx(nbs(x, y), abs=1e-7)


def test_kernels_of_low_rank_keep_their_digits():
    x, y = pair(n=200, p=2, q=2)
    assert nbs_from_kernels(x @ x.T, y @ y.T) == pytest.approx(nbs(x, y), abs=1e-6)


def test_a_kernel_with_a_negative_eigenvalue_is_refused():
    x, _ = pair()
    with pytest.raises(PrunescopeError, match=r"kernel_y: a kernel has a negative eigenvalue"):
        nbs_from_kernels(x @ x.T, x @ np.diag([1, 1, 1, -1]) @ x.T)
    with pytest.raises(PrunescopeError, match=r"kernel_x: a kernel has a negative eigenvalue"):
        nbs_from_kernels(-x @ x.T, x @ x.T)


def test_independent_gaussians_show_the_known_level():
    x, y = np.random.default_rng(0).normal(size=(2, 2000, 40))
    assert nbs(x, y) == pytest.approx(8 / (3 * math.pi) * math.sqrt(40 / 2000), abs=0.01)
