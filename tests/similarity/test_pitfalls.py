"""Twelve mistakes that similarity code in the field has made, each with the number that gives it away."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.linalg

from prunescope import similarity
from prunescope.core.errors import PrunescopeError
from prunescope.similarity import (
    Moments,
    SmallSampleWarning,
    as_matrix,
    cca,
    cka,
    cka_from_kernels,
    layer_grid,
    mean_cca,
    nbs,
    nbs_from_kernels,
    permutation_floor,
    procrustes_distance,
    pwcca,
    svcca,
)
from prunescope.similarity.basis import principal
from prunescope.similarity.representation import represent


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def relu_features(n=200, p=20, q=30):
    source = gaussian(n, 10)
    return np.maximum(source @ gaussian(10, p, seed=1) + 1, 0), np.maximum(source @ gaussian(10, q, seed=2) + 1, 0)


@pytest.mark.parametrize(("n", "biased"), [(128, 0.80), (256, 0.67), (1000, 0.34)])
def test_pitfall_01_biased_cka_of_unrelated_wide_layers_is_high_so_debiased_is_the_default(n, biased):
    x, y = gaussian(2, n, 512)
    assert cka(x, y, debiased=False) == pytest.approx(biased, abs=0.01)
    assert cka(x, y) == pytest.approx(0, abs=0.01)
    narrow = cka(x[:, :16], y[:, :16], debiased=False)
    assert cka(x, y, debiased=False) > 3 * narrow  # widths are not comparable under the biased form


def test_pitfall_02_canonical_correlations_mean_nothing_without_many_more_examples_than_features():
    x, y = gaussian(2, 128, 128)
    for function in (cca, mean_cca, pwcca):
        with pytest.raises(PrunescopeError, match="n = 128, p = 128"):
            function(x, y)
    x, y = gaussian(2, 250, 128)
    with pytest.warns(SmallSampleWarning):
        unrelated = mean_cca(x, y)
    assert unrelated > 0.6
    floor = permutation_floor("mean_cca", x, y, draws=5)
    assert floor == pytest.approx(unrelated, abs=0.02)


def test_pitfall_03_means_are_subtracted_from_rows_and_columns_not_twice_from_columns():
    x, y = relu_features()
    k, m = x @ x.T, y @ y.T
    h = np.eye(200) - 1 / 200
    expected = np.trace(h @ k @ h @ m) / (np.linalg.norm(h @ k @ h) * np.linalg.norm(h @ m @ h))
    assert cka_from_kernels(k, m, debiased=False) == pytest.approx(expected, abs=1e-12)

    def twice(kernel):
        return kernel - kernel.mean(0) - kernel.mean(1) + kernel.mean()

    wrong = np.sum(twice(k) * twice(m)) / (np.linalg.norm(twice(k)) * np.linalg.norm(twice(m)))
    assert abs(wrong - expected) > 0.05


def test_pitfall_04_bures_similarity_is_one_number_and_the_same_through_features_and_kernels():
    x, y = relu_features()
    value = nbs(x, y)
    assert isinstance(value, float)
    assert nbs_from_kernels(x @ x.T, y @ y.T) == pytest.approx(value, abs=1e-6)
    x, y = x - x.mean(0), y - y.mean(0)
    eigenvalues = scipy.linalg.eigvals(x @ x.T @ y @ y.T).real.clip(0)
    assert np.sqrt(eigenvalues).sum() / (np.linalg.norm(x) * np.linalg.norm(y)) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_pitfall_05_truncation_compares_a_share_with_a_share_whatever_the_scale(scale):
    x = gaussian(1000, 50)
    y = x @ gaussian(50, 50, seed=1) + gaussian(1000, 50, seed=2)
    kept = principal(represent([scale * x], ["x"])[0], 0.99)
    assert kept.rank in (49, 50)
    assert svcca(scale * x, y) == pytest.approx(svcca(x, y), abs=1e-10)


def test_pitfall_06_the_kept_share_is_of_squared_singular_values():
    rotation = np.linalg.qr(gaussian(400, 11) - gaussian(400, 11).mean(0))[0]
    x = rotation * np.r_[100.0, np.full(10, 4.0)]  # squares: 10000 and 160; amplitudes: 100 and 40
    [layer] = represent([x], ["x"])
    assert principal(layer, 0.95).rank == 1
    assert principal(layer, 0.99).rank == 5


def test_pitfall_07_projection_weights_fit_either_side_when_widths_or_dead_units_differ():
    wide = gaussian(600, 50)
    narrow = wide @ gaussian(50, 30, seed=1) + gaussian(600, 30, seed=2)
    assert 0 < pwcca(wide, narrow) < 1
    assert 0 < pwcca(narrow, wide) < 1
    assert pwcca(wide, narrow) != pytest.approx(pwcca(narrow, wide), abs=1e-4)
    pruned = wide.copy()
    pruned[:, 35:] = 0
    assert pwcca(pruned, wide) == pytest.approx(pwcca(wide[:, :35], wide), abs=1e-12)
    assert pwcca(wide + 100, narrow) == pytest.approx(pwcca(wide, narrow), abs=1e-9)  # x is centred first


def test_pitfall_08_no_inverse_roots_of_covariances_so_ill_conditioned_layers_keep_their_digits():
    x = gaussian(300, 6)
    spread = np.geomspace(1, 1e-6, 6)  # covariance: condition number 1e12
    ill = (x * spread) @ np.linalg.qr(gaussian(6, 6, seed=1))[0]
    y = x @ gaussian(6, 6, seed=2) + gaussian(300, 6, seed=3)
    np.testing.assert_allclose(cca(ill, y).correlations, cca(x, y).correlations, atol=1e-8)
    singular = np.c_[x, x.sum(1), x[:, 0]]
    found = cca(singular, y)
    assert found.rank_x == 6
    np.testing.assert_allclose(found.correlations, cca(x, y).correlations, atol=1e-10)


def test_pitfall_09_mini_batches_add_their_sums_and_divide_once():
    x, y = relu_features()
    parts = list(zip(np.split(x, 25), np.split(y, 25), strict=True))  # batches of 8, less than the features
    exact = cka(x, y)
    assert Moments.of_batches(parts).cka() == pytest.approx(exact, abs=1e-10)
    averaged = np.mean([cka(a, b, debiased=False) for a, b in parts])
    assert abs(averaged - exact) > 0.05
    single = [(x[:3], y[:3]), (x[3:4], y[3:4]), (x[4:], y[4:])]  # too small for a value of their own
    assert Moments.of_batches(single).cka() == pytest.approx(exact, abs=1e-10)


def test_pitfall_09_the_diagonal_is_left_out_not_subtracted_from_every_row():
    x, y = gaussian(6, 3), gaussian(6, 3, seed=1)
    k, m = x @ x.T, y @ y.T

    def left_out(a, b):
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        return (a * b).sum() + a.sum() * b.sum() / 20 - 2 * (a @ b).sum() / 4

    expected = left_out(k, m) / np.sqrt(left_out(k, k) * left_out(m, m))
    assert cka_from_kernels(k, m) == pytest.approx(expected, abs=1e-10)


def test_pitfall_10_distances_say_so_in_their_name_and_their_convention_in_their_docstring():
    x, _ = relu_features()
    for name in ("cka", "mean_cca", "svcca", "pwcca", "nbs"):
        function = getattr(similarity, name)
        assert function.__name__ == name  # the function, not the module of its name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SmallSampleWarning)
            assert function(x, x) == pytest.approx(1)
    assert procrustes_distance(x, x) == pytest.approx(0, abs=1e-9)
    told = procrustes_distance.__doc__ or ""
    assert "a distance" in told and "not squared, no arccos" in told
    assert procrustes_distance(x, 1 - x[:, :1]) ** 2 == pytest.approx(2 * (1 - nbs(x, x[:, :1])))


@pytest.mark.parametrize("metric", ["cka", "mean_cca", "svcca", "pwcca", "nbs", "procrustes_distance"])
def test_pitfall_11_dead_units_are_dropped_and_counted_never_divided_by(metric):
    x, y = gaussian(300, 8), gaussian(300, 8, seed=1) + gaussian(300, 8)
    pruned = y.copy()
    pruned[:, [1, 4]] = 0
    pruned[:, 6] = 0.3  # dead behind a bias
    alive = np.delete(y, [1, 4, 6], axis=1)
    found = layer_grid([x], [pruned, alive], metric=metric)[0]
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(found[1], abs=1e-12)
    told = cca(x, pruned)
    assert (told.q, told.dropped_y, told.rank_y) == (8, 3, 5)
    with pytest.raises(PrunescopeError, match=r"ys\[0\]: every feature is constant"):
        layer_grid([x], [np.zeros((300, 8))], metric=metric)


def test_pitfall_12_what_becomes_of_positions_is_chosen_by_name_and_changes_the_answer():
    maps = gaussian(40, 3, 4, 4)
    # the same content at another place in every image
    other = np.stack([np.roll(image, 1 + i % 3, axis=1 + i % 2) for i, image in enumerate(maps)])
    for function in (cka, mean_cca, nbs):
        with pytest.raises(PrunescopeError, match="'flatten', 'pool' or 'samples'"):
            function(maps, other)
    matrices = {space: (as_matrix(maps, space=space), as_matrix(other, space=space)) for space in SPACES}
    values = {space: cka(*both) for space, both in matrices.items()}
    assert {space: both[0].shape for space, both in matrices.items()} == SPACES
    assert values["pool"] == pytest.approx(1)  # content without place agrees
    assert max(values["flatten"], values["samples"]) < 0.2


SPACES = {"flatten": (40, 48), "pool": (40, 3), "samples": (640, 3)}
