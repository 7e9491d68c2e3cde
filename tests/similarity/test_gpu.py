"""On a GPU every similarity gives the value of the CPU, and the work stays there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.similarity import (
    Moments,
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

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

METRICS = [cka, mean_cca, nbs, procrustes_distance, pwcca, svcca]


def pair(n=400, p=6, q=9):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p)) + 2
    return x, np.tanh(x @ rng.normal(size=(p, q))) + 0.5 * rng.normal(size=(n, q))


def on_gpu(*matrices):
    return [torch.from_numpy(matrix).cuda() for matrix in matrices]


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_a_pair(metric):
    x, y = pair()
    assert metric(*on_gpu(x, y)) == pytest.approx(metric(x, y), abs=1e-10)
    assert metric(*on_gpu(x.astype(np.float32)), y) == pytest.approx(metric(x, y), abs=2e-6)  # an array follows


@pytest.mark.parametrize("shape", [(400, 6, 9), (20, 60, 50)], ids=["through features", "through examples"])
@pytest.mark.parametrize("metric", ["cka", "nbs", "svcca"])
@pytest.mark.filterwarnings("ignore::prunescope.similarity.SmallSampleWarning")
def test_a_grid_and_its_floor(metric, shape):
    x, y = pair(*shape)
    options = {"variance": 0.8} if metric == "svcca" else {}
    found = layer_grid(on_gpu(x, y), on_gpu(y, x), metric, **options)
    np.testing.assert_allclose(found, layer_grid([x, y], [y, x], metric, **options), atol=1e-10)
    floor = permutation_floor(metric, *on_gpu(x, y), draws=3, **options)
    np.testing.assert_allclose(floor, permutation_floor(metric, x, y, draws=3, **options), atol=1e-10)


def test_all_correlations_kernels_and_the_gaussian_kernel():
    x, y = pair()
    np.testing.assert_allclose(cca(*on_gpu(x, y)).correlations, cca(x, y).correlations, atol=1e-10)
    assert cka(*on_gpu(x, y), kernel="rbf") == pytest.approx(cka(x, y, kernel="rbf"), abs=1e-10)
    for function in (cka_from_kernels, nbs_from_kernels):
        assert function(*on_gpu(x @ x.T, y @ y.T)) == pytest.approx(function(x @ x.T, y @ y.T), abs=1e-8)


def test_a_stream():
    x, y = pair()
    moments = Moments.of(*on_gpu(x[:150], y[:150])) + Moments.of(*on_gpu(x[150:], y[150:]))
    assert moments.mean_x.is_cuda
    assert moments.cka() == pytest.approx(cka(x, y), abs=1e-10)
    assert moments.nbs() == pytest.approx(nbs(x, y), abs=1e-10)
