from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics.pairwise import rbf_kernel

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import cka, cka_from_kernels, layer_grid


def pair(n=60, p=4, q=7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 2
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(n, q))


def unbiased_hsic(k, m):
    """Song et al. 2012, equation 5, with n x n matrices as it is printed."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    sums = np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return sums / (n * (n - 3))


def four_tuple_hsic(k, m):
    """The U-statistic that it estimates: an average over ordered quadruples of different examples."""
    values = [
        k[i, j] * m[i, j] + k[i, j] * m[q, r] - 2 * k[i, j] * m[i, q]
        for i, j, q, r in itertools.permutations(range(len(k)), 4)
    ]
    return np.mean(values)


def ratio(hsic, k, m):
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))


def biased_hsic(k, m):
    h = np.eye(len(k)) - 1 / len(k)
    return np.trace(h @ k @ h @ m)


@pytest.mark.parametrize("shape", [(60, 4, 7), (20, 30, 40), (20, 30, 3), (4, 2, 2), (5, 1, 1)])
def test_debiased_linear_cka_is_the_formula_with_full_kernels(shape):
    x, y = pair(*shape)
    assert cka(x, y) == pytest.approx(ratio(unbiased_hsic, x @ x.T, y @ y.T), abs=1e-10)


def test_the_formula_is_the_average_over_quadruples():
    x, y = pair(n=7)
    assert cka(x, y) == pytest.approx(ratio(four_tuple_hsic, x @ x.T, y @ y.T), abs=1e-10)


@pytest.mark.parametrize("shape", [(60, 4, 7), (20, 30, 40), (2, 3, 3)])
def test_biased_linear_cka_is_the_trace_of_centred_kernels(shape):
    x, y = pair(*shape)
    assert cka(x, y, debiased=False) == pytest.approx(ratio(biased_hsic, x @ x.T, y @ y.T), abs=1e-10)


def test_by_hand():
    # x: two pairs of opposite points on two axes; y keeps the first axis: <K, L> = 4, |K|² = 8, |L|² = 4
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert cka(x, x[:, :1], debiased=False) == pytest.approx(4 / math.sqrt(8 * 4))
    # n = 4: HSIC = <K, L> - 2 Σ K_ii L_ii + tr K tr L / 6
    # with tr K = 4, tr L = 2, Σ K_ii L_ii = 2, Σ K_ii² = 4, Σ L_ii² = 2
    cross, own_x, own_y = 4 - 4 + 8 / 6, 8 - 8 + 16 / 6, 4 - 4 + 4 / 6
    assert cka(x, x[:, :1]) == pytest.approx(cross / math.sqrt(own_x * own_y))


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("bandwidth", [0.3, 1.0])
def test_gaussian_cka_uses_the_median_distance(debiased, bandwidth):
    x, y = pair(n=41)
    kernels = []
    for z in (x, y):
        sigma = bandwidth * np.median(pdist(z))
        kernels.append(rbf_kernel(z, gamma=1 / (2 * sigma**2)))
    expected = ratio(unbiased_hsic if debiased else biased_hsic, *kernels)
    assert cka(x, y, debiased, kernel="rbf", bandwidth=bandwidth) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_the_median_is_right_for_even_and_odd_numbers_of_pairs(n):
    x, y = pair(n=n)
    kernels = [np.exp(-(squareform(pdist(z)) ** 2) / (2 * np.median(pdist(z)) ** 2)) for z in (x, y)]
    assert cka(x, y, kernel="rbf") == pytest.approx(ratio(unbiased_hsic, *kernels), abs=1e-10)


def test_a_wide_gaussian_kernel_is_the_linear_one():
    x, y = pair(n=200)
    assert cka(x, y, kernel="rbf", bandwidth=1e3) == pytest.approx(cka(x, y), abs=1e-5)


@pytest.mark.parametrize("debiased", [True, False])
def test_kernels_give_the_value_of_their_features(debiased):
    x, y = pair()
    found = cka_from_kernels(x @ x.T, torch.from_numpy(y @ y.T), debiased)
    assert found == pytest.approx(cka(x, y, debiased), abs=1e-11)


def test_a_non_linear_relation_is_seen_by_the_gaussian_kernel_alone():
    x = np.random.default_rng(0).normal(size=(500, 1))
    assert abs(cka(x, x**2)) < 0.05
    assert cka(x, x**2, kernel="rbf", bandwidth=0.5) > 0.2


@pytest.mark.parametrize(("n", "p"), [(128, 512), (256, 512), (1000, 512)])
def test_independent_gaussians_show_the_known_bias_and_none_when_debiased(n, p):
    x, y = np.random.default_rng(0).normal(size=(2, n, p))
    assert cka(x, y, debiased=False) == pytest.approx(p / (n + p), abs=0.005)
    assert cka(x, y) == pytest.approx(0, abs=0.01)


def test_the_debiased_value_of_unrelated_data_is_as_often_negative_as_positive():
    values = [cka(*np.random.default_rng(seed).normal(size=(2, 50, 10))) for seed in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
    assert 10 < sum(value < 0 for value in values) < 50


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_debiased_form_refuses_fewer_than_four_examples(kernel):
    x, y = pair(n=3)
    with pytest.raises(PrunescopeError, match="debiased CKA needs at least four examples; expected n ≥ 4, got n = 3"):
        cka(x, y, kernel=kernel)
    assert 0 < cka(x, y, kernel=kernel, debiased=False) <= 1


@pytest.mark.parametrize(
    "alike",
    [np.eye(12), np.eye(12)[:, :1], np.eye(12, 11) - 1 / 12],
    ids=["all pairs equally far", "one example differs", "a shifted simplex without a corner"],
)
def test_a_layer_whose_debiased_self_similarity_vanishes_is_refused(alike):
    x, _ = pair(n=12)
    if alike.shape[1] != 11:
        with pytest.raises(PrunescopeError, match=r"y: CKA divides by the layer's HSIC with itself, which is zero"):
            cka(x, alike)
    assert 0 < cka(x, alike, debiased=False) < 1


def test_identical_examples_have_no_median_distance():
    x = np.repeat([[0.1, 0.2], [1.3, 0.7]], [17, 3], axis=0)
    with pytest.raises(PrunescopeError, match=r"y: the median distance between examples is zero"):
        cka(pair(n=20)[0], x, kernel="rbf")


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.inf, math.nan])
def test_a_bandwidth_out_of_range_is_refused(bandwidth):
    with pytest.raises(PrunescopeError, match="bandwidth out of range"):
        cka(*pair(), kernel="rbf", bandwidth=bandwidth)


def test_an_unknown_kernel_is_answered_with_the_known_ones():
    with pytest.raises(PrunescopeError, match=r"unknown kernel 'rfb'.*Known: linear, rbf"):
        cka(*pair(), kernel="rfb")


def test_a_gaussian_grid_is_made_of_its_pairs():
    x, y = pair()
    found = layer_grid([x, y], [y, x, x**2], kernel="rbf", debiased=False)
    expected = [[cka(a, b, kernel="rbf", debiased=False) for b in (y, x, x**2)] for a in (x, y)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
