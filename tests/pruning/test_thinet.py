"""ThiNet: the greedy order, and what it is computed from."""

from itertools import combinations

import pytest
import torch
from torch import nn

from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prune
from prunescope.pruning.channels import channels
from prunescope.pruning.criteria import ThiNet
from prunescope.pruning.criteria.thinet import removal_order
from prunescope.pruning.criterion import Evidence


def test_the_order_is_greedy():
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    told, gone = removal_order(x.T @ x), []
    for step in range(7):
        rest = [j for j in range(7) if j not in gone]
        best = min(rest, key=lambda j: float((x[:, [*gone, j]].sum(1) ** 2).sum()))
        assert int(told[best]) == step
        gone.append(best)


def test_channels_that_cancel_go_together_and_equals_go_from_the_end():
    x = torch.tensor([[2.0, 5.0, -2.0, 3.0]], dtype=torch.float64)
    assert removal_order(x.T @ x).argsort().tolist()[:2] == [2, 0]
    same = torch.ones(1, 3, dtype=torch.float64)
    assert removal_order(same.T @ same).tolist() == [2, 1, 0]
    pairs = {pair: float(x[:, list(pair)].sum() ** 2) for pair in combinations(range(4), 2)}
    assert min(pairs, key=pairs.get) == (0, 2)


def linear(inputs=4):
    net = nn.Sequential(nn.Linear(inputs, 5), nn.Identity(), nn.Linear(5, 1, bias=False))
    return net, torch.randn(40, inputs, generator=torch.Generator().manual_seed(1))


def test_contributions_are_products_of_weight_and_activation():
    torch.manual_seed(0)
    net, images = linear()
    with torch.no_grad():
        x = (net[0](images) * net[2].weight[0]).double()
    evidence = Evidence(images=images, labels=torch.zeros(40, dtype=torch.int64))
    scores, _ = ThiNet(locations=3).ranking(net, Mask.full(net), channels(net), evidence)
    assert torch.equal(scores["0.weight"], removal_order(x.T @ x))


def test_a_channel_that_the_next_layer_does_not_need_goes_first():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2)]
    net = nn.Sequential(*layers)
    net[2].weight.data[:, 1] *= 1e-3
    data = (torch.rand(20, 1, 8, 8), torch.zeros(20, dtype=torch.int64))
    mask = prune(net, "thinet", sparsity=0.25, scope="layer", data=data)
    assert mask["0.weight"].flatten(1).any(1).tolist() == [True, False, True, True]


@pytest.mark.parametrize("name", ["resnet20", "densenet22"])
def test_several_readers_add_up(name):
    net = build(MODELS.build(name), (3, 16, 16), 10, seed=0)
    data = (torch.rand(4, 3, 16, 16), torch.zeros(4, dtype=torch.int64))
    mask = prune(net, "thinet", sparsity=0.5, data=data, seed=1)
    assert mask == prune(net, "thinet", sparsity=0.5, data=data, seed=1)
    assert not mask.collapsed()
    evidence = Evidence(images=data[0], labels=data[1])
    scores, _ = ThiNet().ranking(net, Mask.full(net), channels(net), evidence)
    for group, numbers in scores.items():
        assert sorted(numbers.tolist()) == list(range(len(numbers))), group
