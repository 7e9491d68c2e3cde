"""k-DPP sampling against enumeration, closed forms and DPPy."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from dppy import exact_sampling
from dppy.finite_dpps import FiniteDPP
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import dpp
from prunescope.pruning.projection_dpp import group_size


def gram(items: int, rank: int, seed: int = 0) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(rank, items))
    return features.T @ features / rank


def enumerated(kernel: np.ndarray, k: int) -> dict[tuple[int, ...], float]:
    weights = {s: np.linalg.det(kernel[np.ix_(s, s)]) for s in combinations(range(len(kernel)), k)}
    total = sum(weights.values())
    return {s: w / total for s, w in weights.items()}


def chi_square(sets: np.ndarray, chances: dict[tuple[int, ...], float]) -> float:
    counts = dict.fromkeys(chances, 0)
    for row in map(tuple, sets.tolist()):
        counts[row] += 1
    expected = np.array(list(chances.values())) * len(sets)
    return float(stats.chisquare(list(counts.values()), expected, sum_check=False).pvalue)


@pytest.mark.parametrize(("items", "k"), [(5, 1), (5, 2), (5, 3), (6, 3), (6, 5)])
def test_draws_follow_the_determinants(items, k):
    kernel = gram(items, items + 1, seed=items + k)
    sets = dpp.sample(kernel, k, draws=20_000, seed=1)
    assert chi_square(sets, enumerated(kernel, k)) > 1e-3


def test_the_test_itself_notices_a_wrong_distribution():
    sets = dpp.sample(gram(5, 6), 2, draws=20_000, seed=1)
    assert chi_square(sets, enumerated(gram(5, 6, seed=9), 2)) < 1e-6


def test_draws_of_correlated_items_follow_the_determinants():
    points = np.array([0.0, 0.05, 0.1, 1.0, 1.1, 3.0])
    kernel = np.exp(-((points[:, None] - points) ** 2))
    assert chi_square(dpp.sample(kernel, 3, draws=20_000, seed=2), enumerated(kernel, 3)) > 1e-3


@given(items=st.integers(1, 6), extra=st.integers(0, 3), seed=st.integers(0, 1000), k=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_log_probabilities_are_the_determinants_and_sum_to_one(items, extra, seed, k):
    k = min(k, items)
    kernel = gram(items, items + extra, seed) + 0.01 * np.eye(items)
    told = {s: np.exp(dpp.log_probability(kernel, s)) for s in combinations(range(items), k)}
    assert sum(told.values()) == pytest.approx(1.0, abs=1e-9)
    assert told == pytest.approx(enumerated(kernel, k), abs=1e-9)


@given(
    items=st.integers(2, 6), seed=st.integers(0, 1000), k=st.integers(1, 6), scale=st.sampled_from([1e-30, 1.0, 1e30])
)
@settings(max_examples=40, deadline=None)
def test_scale_and_the_order_of_items_do_not_matter(items, seed, k, scale):
    k = min(k, items)
    kernel = gram(items, items + 1, seed)
    order = np.random.default_rng(seed).permutation(items)
    shuffled = scale * kernel[np.ix_(order, order)]
    for subset in combinations(range(items), k):
        assert dpp.log_probability(shuffled, subset) == pytest.approx(dpp.log_probability(kernel, order[list(subset)]))
    np.testing.assert_allclose(
        dpp.inclusion_probabilities(shuffled, k), dpp.inclusion_probabilities(kernel, k)[order], rtol=1e-7
    )


@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_inclusion_probabilities_sum_the_sets(k):
    kernel = gram(6, 7)
    by_sets = np.zeros(6)
    for subset, chance in enumerated(kernel, k).items():
        by_sets[list(subset)] += chance
    np.testing.assert_allclose(dpp.inclusion_probabilities(kernel, k), by_sets, atol=1e-10)


@pytest.mark.parametrize(("items", "k"), [(60, 12), (60, 48), (30, 15)])
def test_draws_have_the_inclusion_probabilities(items, k):
    kernel = gram(items, 2 * items)
    draws = 4000
    freq = np.bincount(dpp.sample(kernel, k, draws=draws, seed=5).ravel(), minlength=items) / draws
    chances = dpp.inclusion_probabilities(kernel, k)
    z = (freq - chances) / np.sqrt(chances * (1 - chances) / draws)
    assert chances.sum() == pytest.approx(k)
    assert np.abs(z).max() < 4.5
    assert 0.5 < np.mean(z**2) < 1.6


def test_pairs_follow_their_probability_when_rounds_reject():
    items, k, draws = 40, 10, 6000  # several rounds, and walkers that finish at different times
    kernel = gram(items, 39)
    sets = dpp.sample(kernel, k, draws=draws, seed=6)
    together = np.zeros((items, items))
    for row in sets:
        together[np.ix_(row, row)] += 1 / draws
    assert together.trace() == pytest.approx(k)
    expected = _pair_probabilities(*np.linalg.eigh(kernel), k)
    upper = np.triu_indices(items, 1)
    z = (together - expected)[upper] / np.sqrt(expected * (1 - expected) / draws)[upper]
    assert np.abs(z).max() < 5
    assert 0.85 < np.mean(z**2) < 1.15


def _pair_probabilities(values: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """P(i, j) = Σ_{n<m} P(n, m chosen) (V_in V_jm − V_im V_jn)², with P(n, m) by polynomials without n and m."""
    logs = np.log(np.maximum(values, 1e-300))
    total = dpp.log_elementary_symmetric(logs, k)
    pairs = list(combinations(range(len(values)), 2))
    keep = np.array([[i for i in range(len(values)) if i not in pair] for pair in pairs])
    left = dpp.log_elementary_symmetric(logs[keep], k - 2)
    out = np.zeros_like(vectors)
    for (n, m), log_left in zip(pairs, left, strict=True):
        minor = np.outer(vectors[:, n], vectors[:, m])
        out += np.exp(log_left + logs[n] + logs[m] - total) * (minor - minor.T) ** 2
    return out


def test_duplicates_are_never_taken_together():
    kernel = gram(6, 8)[np.ix_([0, 1, 2, 3, 4, 5, 5], [0, 1, 2, 3, 4, 5, 5])] + 1e-14 * np.eye(7)
    sets = dpp.sample(kernel, 4, draws=5000, seed=0)
    assert not ((sets == 5).any(axis=1) & (sets == 6).any(axis=1)).any()
    assert (sets == 6).any()
    assert dpp.log_probability(kernel - 1e-14 * np.eye(7), [5, 6]) == -np.inf
    assert dpp.log_probability(np.diag([1.0, 0.0]), [1]) == -np.inf


def test_features_and_kernel_give_the_same_distribution():
    features = np.random.default_rng(3).normal(size=(4, 6))
    chances = enumerated(features.T @ features, 3)
    for given_features in (features, 1e200 * features, np.vstack([features, np.zeros((3, 6))])):
        assert chi_square(dpp.sample_from_features(given_features, 3, draws=20_000, seed=4), chances) > 1e-3
    assert chi_square(dpp.sample(features.T @ features, 3, draws=20_000, seed=4), chances) > 1e-3


def test_eigenvectors_lifted_from_ill_conditioned_features_are_orthonormal():
    rng = np.random.default_rng(0)
    mixing = np.linalg.qr(rng.normal(size=(20, 20))).Q * np.logspace(0, -6.5, 20)
    features = mixing @ rng.normal(size=(20, 200))
    vectors = dpp._lift(dpp._decompose(features @ features.T, 0.0), features[None]).vectors[0]
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(20), atol=1e-12)
    sets = dpp.sample_from_features(features, 18, draws=50, seed=0)
    assert all(len(set(row)) == 18 for row in sets.tolist())


def test_the_rank_tolerance_counts_items_in_both_forms():
    features = np.zeros((2, 500))
    features[0, 0], features[1, 1] = 1.0, 1e-7  # λ₂ / λ₁ = 1e-14 < 500 · eps
    with pytest.raises(PrunescopeError, match="rank 1"):
        dpp.sample_from_features(features, 2)
    with pytest.raises(PrunescopeError, match="rank 1"):
        dpp.sample(features.T @ features, 2)


def test_an_asymmetry_of_rounding_is_averaged_away():
    kernel = gram(5, 6)
    kernel[0, 1] *= 1 + 1e-9
    told = dpp.log_probability(kernel, [0, 1])
    assert told == pytest.approx(dpp.log_probability(kernel.T, [0, 1]), rel=1e-13)


def test_batches_of_kernels_are_drawn_each_from_its_own():
    kernels = np.stack([gram(5, 6, seed) for seed in range(3)])
    sets = dpp.sample(kernels, 2, draws=8000, seed=0)
    assert sets.shape == (3, 8000, 2)
    for kernel, drawn in zip(kernels, sets, strict=True):
        assert chi_square(drawn, enumerated(kernel, 2)) > 1e-3
    expected = np.stack([dpp.inclusion_probabilities(kernel, 2) for kernel in kernels])
    np.testing.assert_allclose(dpp.inclusion_probabilities(kernels, 2), expected)
    features = np.random.default_rng(0).normal(size=(2, 3, 5))
    both = dpp.sample_from_features(features, 3, draws=8000, seed=0)
    for matrix, drawn in zip(features, both, strict=True):
        assert chi_square(drawn, enumerated(matrix.T @ matrix, 3)) > 1e-3


def test_draws_beyond_one_group_and_kernels_with_one_draw():
    assert group_size(400, 150) == 8
    sets = dpp.sample(gram(400, 500), 150, draws=20, seed=0)
    assert len({tuple(row) for row in sets.tolist()}) == 20
    many = dpp.sample(np.broadcast_to(gram(5, 6), (6000, 5, 5)), 2, seed=0)
    assert chi_square(many[:, 0], enumerated(gram(5, 6), 2)) > 1e-3


def test_a_seed_fixes_the_draws_and_generators_go_on():
    kernel = gram(30, 40)
    np.testing.assert_array_equal(dpp.sample(kernel, 7, 5, seed=1), dpp.sample(kernel, 7, 5, seed=1))
    assert (dpp.sample(kernel, 7, 5, seed=1) != dpp.sample(kernel, 7, 5, seed=2)).any()
    rng = np.random.default_rng(0)
    assert (dpp.sample(kernel, 7, 5, seed=rng) != dpp.sample(kernel, 7, 5, seed=rng)).any()
    np.testing.assert_array_equal(
        dpp.sample(torch.from_numpy(kernel).requires_grad_(), 7, 5, seed=1), dpp.sample(kernel, 7, 5, seed=1)
    )


def test_edge_sizes():
    kernel = gram(6, 8)
    assert dpp.sample(kernel, 0, draws=3).shape == (3, 0)
    assert dpp.sample(kernel, 0, draws=3).dtype.kind == "i"
    np.testing.assert_array_equal(dpp.sample(kernel, 6, draws=2), [[0, 1, 2, 3, 4, 5]] * 2)
    assert dpp.log_probability(kernel, []) == 0.0
    assert dpp.log_probability(kernel, range(6)) == pytest.approx(0.0, abs=1e-9)
    assert dpp.sample([[3.0]], 1).tolist() == [[0]]
    assert dpp.sample(np.zeros((3, 3)), 0).shape == (1, 0)


def test_polynomials_are_the_coefficients_of_the_product():
    values = np.random.default_rng(0).uniform(0.1, 2, size=(3, 12))
    for k in range(14):
        told = dpp.log_elementary_symmetric(np.log(values), k)
        expected = [np.poly(-row)[k] if k <= 12 else 0.0 for row in values]
        np.testing.assert_allclose(np.exp(told), expected, rtol=1e-11)
    assert dpp.log_elementary_symmetric([-np.inf, 0.0], 2) == -np.inf


def test_polynomials_of_1000_equal_eigenvalues_of_degree_500_are_the_binomial():
    expected = gammaln(1001) - 2 * gammaln(501) + 500 * np.log(1e3)
    assert float(dpp.log_elementary_symmetric(np.full(1000, np.log(1e3)), 500)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("items", "k"), [(500, 250), (1000, 500)])
def test_where_the_polynomials_of_dppy_overflow_ours_stay_finite(items, k):
    kernel = gram(items, 2 * items) * 2 * items  # a Wishart matrix
    values = np.linalg.eigvalsh(kernel)
    assert np.isfinite(dpp.log_elementary_symmetric(np.log(values), k))
    sets = dpp.sample(kernel, k, draws=2, seed=0)
    assert all(len(set(row)) == k for row in sets.tolist())
    assert np.isfinite(dpp.log_probability(kernel, sets[0]))
    assert dpp.inclusion_probabilities(kernel, k).sum() == pytest.approx(k)


def test_dppy_overflows_there():
    values = np.linalg.eigvalsh(gram(500, 1000) * 1000)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(exact_sampling.elementary_symmetric_polynomials(values, 250)).all()


def test_2000_items_with_any_k():
    spectrum = np.random.default_rng(0).uniform(-30, 30, size=2000)
    for k in (1, 2, 1000, 1999, 2000):
        assert np.isfinite(dpp.log_elementary_symmetric(spectrum, k))
    assert float(dpp.log_elementary_symmetric(spectrum, 2000)) == pytest.approx(spectrum.sum(), rel=1e-12)
    features = np.random.default_rng(0).normal(size=(150, 2000))
    for k in (1, 75, 150):
        assert len(set(dpp.sample_from_features(features, k, seed=0)[0].tolist())) == k
    kernel = features.T @ features + np.eye(2000)
    assert len(set(dpp.sample(kernel, 700, seed=0)[0].tolist())) == 700


def test_polynomials_agree_with_dppy():
    values = np.linalg.eigvalsh(gram(100, 200))
    theirs = exact_sampling.elementary_symmetric_polynomials(values, 50)[50, 100]
    assert float(dpp.log_elementary_symmetric(np.log(values), 50)) == pytest.approx(np.log(theirs), rel=1e-12)


def test_draws_agree_with_dppy():
    kernel, k, draws = gram(8, 10), 3, 3000
    peer = FiniteDPP("likelihood", L=kernel)
    rng = np.random.RandomState(0)
    theirs = [tuple(sorted(peer.sample_exact_k_dpp(k, random_state=rng))) for _ in range(draws)]
    ours = map(tuple, dpp.sample(kernel, k, draws=draws, seed=1).tolist())
    place = {s: i for i, s in enumerate(combinations(range(8), k))}
    table = np.zeros((2, comb(8, k)))
    for row, sets in enumerate((theirs, ours)):
        for s in sets:
            table[row, place[s]] += 1
    assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-3


def test_k_above_the_rank_is_refused_with_the_rank():
    kernel = gram(20, 6)
    assert dpp.sample(kernel, 6).shape == (1, 6)
    with pytest.raises(PrunescopeError, match="rank 6"):
        dpp.sample(kernel, 7)
    with pytest.raises(PrunescopeError, match="rank 6"):
        dpp.sample(torch.from_numpy(kernel).float(), 7)
    with pytest.raises(PrunescopeError, match="rank 6"):
        dpp.log_probability(kernel, range(7))
    with pytest.raises(PrunescopeError, match="rank 6"):
        dpp.inclusion_probabilities(kernel, 7)
    with pytest.raises(PrunescopeError, match="rank 6"):
        dpp.sample_from_features(np.random.default_rng(0).normal(size=(6, 20)), 7)
    with pytest.raises(PrunescopeError, match=r"kernel 1.*rank 6"):
        dpp.sample(np.stack([np.eye(20), kernel]), 7)


NAN = np.full((3, 3), np.nan)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (NAN, "NaN or infinite"),
        (np.diag([1.0, np.inf]), "NaN or infinite"),
        (np.ones((2, 3)), "not square"),
        (np.ones(3), "shape"),
        (np.ones((0, 0)), "shape"),
        ([[1.0, 0.5], [0.0, 1.0]], "not symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], "not positive semi-definite"),
        (-np.eye(2), "not positive semi-definite"),
        ([["a"]], "numbers"),
        ([[1.0], [1.0, 2.0]], "numbers"),
    ],
)
def test_kernels_that_are_refused(kernel, message):
    with pytest.raises(PrunescopeError, match=message):
        dpp.sample(kernel, 1)


def test_other_refusals():
    kernel = np.eye(3)
    for k in (-1, 1.5, True):
        with pytest.raises(PrunescopeError, match="k is not a count"):
            dpp.sample(kernel, k)
    for draws in (0, 2.0, True):
        with pytest.raises(PrunescopeError, match="draws"):
            dpp.sample(kernel, 1, draws=draws)
    for subset in ([0, 0], [3], [-1], [0.5], [[0, 1]]):
        with pytest.raises(PrunescopeError, match="not a set of items"):
            dpp.log_probability(kernel, subset)
    with pytest.raises(PrunescopeError, match="one kernel"):
        dpp.log_probability(np.stack([kernel, kernel]), [0])
    with pytest.raises(PrunescopeError, match="NaN or infinite"):
        dpp.sample_from_features(NAN, 1)
    for logs in ([np.nan], [np.inf], 0.0):
        with pytest.raises(PrunescopeError, match="logarithms"):
            dpp.log_elementary_symmetric(logs, 1)
