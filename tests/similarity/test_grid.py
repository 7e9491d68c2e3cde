from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import (
    cka,
    layer_facts,
    layer_grid,
    mean_cca,
    nbs,
    permutation_floor,
    procrustes_distance,
    pwcca,
    svcca,
)

SINGLE = {
    "cka": cka,
    "cca": mean_cca,
    "mean_cca": mean_cca,
    "svcca": svcca,
    "pwcca": pwcca,
    "nbs": nbs,
    "procrustes_distance": procrustes_distance,
}
every = pytest.mark.parametrize("metric", SINGLE)


def layers(*widths, n=150, seed=0):
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(n, 6))
    return [source @ rng.normal(size=(6, w)) + rng.normal(size=(n, w)) * np.linspace(2, 0.5, w) for w in widths]


@every
def test_a_grid_is_made_of_its_pairs(metric):
    xs, ys = layers(3, 8, 5), layers(12, 4, seed=1)
    found = layer_grid(xs, ys, metric=metric)
    assert found.shape == (3, 2)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[SINGLE[metric](x, y) for y in ys] for x in xs], atol=1e-12)


@every
def test_a_square_grid_has_the_identical_value_on_its_diagonal(metric):
    xs = layers(3, 8, 5)
    found = layer_grid(xs, xs, metric=metric)
    np.testing.assert_allclose(found, [[SINGLE[metric](x, y) for y in xs] for x in xs], atol=1e-12)
    np.testing.assert_allclose(found.diagonal(), 0 if metric == "procrustes_distance" else 1, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "options"), [("cka", {"debiased": False}), ("cka", {"kernel": "rbf"}), ("svcca", {"variance": 0.8})]
)
def test_options_reach_the_metric(metric, options):
    xs, ys = layers(3, 5), layers(4, seed=1)
    expected = [[SINGLE[metric](x, y, **options) for y in ys] for x in xs]
    np.testing.assert_allclose(layer_grid(xs, ys, metric=metric, **options), expected, atol=1e-12)


@pytest.mark.parametrize("metric", ["cca", "mean_cca", "pwcca"])
def test_layers_wider_than_the_examples_are_many_are_refused_by_canonical_correlations(metric):
    with pytest.raises(PrunescopeError, match=r"ys\[0\]: .*n = 20, p = 50"):
        layer_grid(layers(3, n=20), layers(50, n=20), metric=metric)


@pytest.mark.filterwarnings("ignore::prunescope.similarity.SmallSampleWarning")
@pytest.mark.parametrize("metric", ["cka", "nbs", "svcca", "procrustes_distance"])
def test_layers_wider_than_the_examples_are_many(metric):
    xs, ys = layers(3, 60, 25, n=20), layers(70, 4, n=20, seed=1)
    found = layer_grid(xs, ys, metric=metric)
    np.testing.assert_allclose(found, [[SINGLE[metric](x, y) for y in ys] for x in xs], atol=1e-10)


def test_tensors_of_mixed_precision_and_arrays_go_together():
    x, y = layers(3, 5)
    found = layer_grid([torch.from_numpy(x).float(), y], [torch.from_numpy(y), x.astype(np.float32)])
    np.testing.assert_allclose(found, layer_grid([x, y], [y, x]), atol=1e-6)


def test_an_unknown_metric_or_option_is_answered_with_the_known_ones():
    x = layers(3)
    with pytest.raises(PrunescopeError, match=r"unknown metric 'ckaa'.*did you mean 'cka'.*Known: cca, cka, mean_cca"):
        layer_grid(x, x, metric="ckaa")
    with pytest.raises(PrunescopeError, match=r"unknown option of svcca 'variances'.*did you mean 'variance'"):
        layer_grid(x, x, metric="svcca", variances=0.9)
    with pytest.raises(PrunescopeError, match=r"unknown option of nbs 'debiased'.*Known: none"):
        permutation_floor("nbs", x[0], x[0], debiased=True)


def test_a_grid_without_layers_is_refused():
    with pytest.raises(PrunescopeError, match="needs layers on both sides; got 1 and 0"):
        layer_grid(layers(3), [])


@every
def test_a_floor_is_the_metric_on_permuted_examples(metric):
    x, y = layers(4, 6)
    found = permutation_floor(metric, x, y, draws=4, seed=3)
    rng = np.random.default_rng(3)
    expected = [SINGLE[metric](x, y[rng.permutation(150)]) for _ in range(4)]
    assert found.shape == (4,)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_floor_of_the_gaussian_kernel_permutes_both_its_axes():
    x, y = layers(4, 6)
    found = permutation_floor("cka", x, y, draws=3, seed=3, kernel="rbf")
    rng = np.random.default_rng(3)
    expected = [cka(x, y[rng.permutation(150)], kernel="rbf") for _ in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_floor_of_a_function_is_the_floor_of_its_name():
    x, y = layers(4, 6)
    named = permutation_floor("nbs", x, y, draws=3, seed=1)
    np.testing.assert_allclose(permutation_floor(nbs, x, y, draws=3, seed=1), named, atol=1e-12)
    tensors = permutation_floor(nbs, torch.from_numpy(x), torch.from_numpy(y), draws=3, seed=1)
    np.testing.assert_allclose(tensors, named, atol=1e-12)


def test_seeds_decide_the_draws():
    x, y = layers(4, 6)
    first, again, other = (permutation_floor("cka", x, y, draws=5, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_related_layers_lie_above_their_floor_and_unrelated_ones_within():
    x, y = layers(4, 6)
    assert cka(x, y) > permutation_floor("cka", x, y, draws=40).max()
    noise = np.random.default_rng(9).normal(size=(150, 6))
    floor = permutation_floor("mean_cca", x, noise, draws=40)
    assert floor.min() <= mean_cca(x, noise) <= floor.max()


def test_a_floor_refuses_no_draws_and_options_beside_a_function():
    x, y = layers(4, 6)
    with pytest.raises(PrunescopeError, match="a floor needs draws; expected draws ≥ 1, got 0"):
        permutation_floor("cka", x, y, draws=0)
    with pytest.raises(PrunescopeError, match=r"options belong to a named metric; got \['debiased'\]"):
        permutation_floor(cka, x, y, debiased=False)


@every
def test_facts_count_what_is_left_out_and_refuse_as_the_metric_does(metric):
    x = np.c_[layers(4)[0], np.full(150, 0.3)]
    assert layer_facts(x, metric)[:3] == (150, 5, 1)
    with pytest.raises(PrunescopeError, match=r"x: every feature is constant"):
        layer_facts(np.ones((150, 2)), metric)


def test_the_rank_counts_dimensions_or_components():
    x = layers(4)[0] * [1, 1, 1e-3, 1e-3]
    assert [layer_facts(np.c_[x, x], metric).rank for metric in ("cca", "pwcca", "svcca", "cka")] == [4, 4, 2, None]
