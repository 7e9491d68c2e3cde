import math

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.pruning import Mask, prune
from prunescope.pruning.criteria.sipp_random import DELTA, C, SippRandom, _halves
from prunescope.pruning.sampling_bound import sampling_error
from prunescope.pruning.sensitivity import Sensitivity, sensitivities


def net_and_data():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, 20), nn.ReLU(), nn.Linear(20, 4))
    return net, (torch.randn(40, 1, 6, 6), torch.zeros(40, dtype=torch.int64))


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.01, 0.35, 0.777, 0.98])
def test_counts_are_exact_and_seeded(hybrid, scope, sparsity):
    net, data = net_and_data()
    masks = [
        prune(net, "sipp_random", sparsity=sparsity, scope=scope, data=data, seed=s, hybrid=hybrid) for s in (1, 1, 2)
    ]
    for mask in masks:
        total = {n: t for n, (_, t) in mask.counts().items()} if scope == "layer" else {"": mask.total}
        kept = {n: k for n, (k, _) in mask.counts().items()} if scope == "layer" else {"": mask.kept}
        assert kept == {n: t - round(sparsity * t) for n, t in total.items()}
    assert masks[0] == masks[1]
    assert hybrid or masks[0] != masks[2]


def test_alpha_is_that_of_the_bound():
    weight = torch.tensor([[[[2.0, -1.0]]], [[[3.0, 4.0]]]])
    values = torch.tensor([[[[0.5, 0.25]]], [[[0.125, 1.0]]]])
    halves = _halves(weight, Sensitivity(values, positions=16))
    assert halves.values.tolist() == [[0.5, 0.0], [0.125, 1.0], [0.0, 0.25], [0.0, 0.0]]
    factor = 2 * C * math.log(8 * 17 * 2 / DELTA)
    np.testing.assert_allclose(halves.alpha, factor * np.array([0.5, 1.125, 0.25, 0.0]))


def test_weights_are_hit_as_often_as_draws_with_replacement_hit_them():
    values = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.0, 0.1, 0.1, 0.8]], dtype=torch.float64)
    halves, criterion = _halves(torch.ones(2, 4), Sensitivity(values, 1)), SippRandom()
    generator = torch.Generator().manual_seed(0)
    take, draws = np.array([2, 1, 0, 0]), 6000
    told = sum(criterion._chosen(halves, take, generator)[:2].double() for _ in range(draws)) / draws
    p = [0.5, 0.3, 0.2]
    first_two = [p[i] + sum(p[j] * p[i] / (1 - p[j]) for j in range(3) if j != i) for i in range(3)]
    expected = torch.tensor([[*first_two, 0.0], [0.0, 0.1, 0.1, 0.8]], dtype=torch.float64)
    assert float((told - expected).abs().max()) < 4.5 * 0.5 / draws**0.5


def test_hybrid_keeps_the_highest_where_that_is_safer_and_samples_elsewhere():
    steep = torch.tensor([1.0, *[1e-6] * 15], dtype=torch.float64)
    flat = torch.full((16,), 0.9, dtype=torch.float64)
    halves = _halves(torch.ones(2, 16), Sensitivity(torch.stack([steep, flat]), 1))
    take = np.array([1, 15, 0, 0])
    dropped = np.array([15e-6, 0.9])
    assert (C * dropped <= sampling_error(take, halves.alpha)[:2]).all()  # both are deterministic: the first entries
    generator = torch.Generator().manual_seed(3)
    chosen = SippRandom(hybrid=True)._chosen(halves, take, generator)
    assert chosen[0].nonzero().flatten().tolist() == [0]
    assert chosen[1].nonzero().flatten().tolist() == list(range(15))
    risky = halves._replace(alpha=halves.alpha * 1e-9)  # now the sample's bound is the smaller one
    masks = {tuple(SippRandom(hybrid=True)._chosen(risky, take, generator)[1].tolist()) for _ in range(20)}
    assert len(masks) > 1


def test_what_no_image_uses_is_kept_last():
    net = nn.Linear(4, 2)
    images = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    data = (images, torch.zeros(1, dtype=torch.int64))
    assert prune(net, "sipp_random", sparsity=0.5, data=data)["weight"].tolist() == [[True, True, False, False]] * 2
    assert prune(net, "sipp_random", sparsity=0.25, data=data)["weight"].tolist()[0] == [True] * 4
    assert float(sensitivities(net, Mask.full(net), images, "max")["weight"].values[:, 2:].max()) == 0
