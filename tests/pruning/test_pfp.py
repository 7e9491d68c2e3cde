"""PFP: sensitivities of channels, and how many of them an error bound keeps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prune
from prunescope.pruning.channels import channels
from prunescope.pruning.criteria.pfp import Pfp, largest_errors
from prunescope.pruning.criterion import Evidence
from prunescope.pruning.sensitivity import sensitivity


def kept_by_definition(s, alpha, epsilon):
    """The published formula, channel by channel."""
    total = sum(s)
    m = math.ceil(3 * (6 + 2 * epsilon) * total * alpha / epsilon**2)
    return math.ceil(round(math.fsum(1 - (1 - value / total) ** m for value in s), 9))  # 1 is 1, not 1 + 2e-16


@given(
    st.lists(st.floats(0.01, 1.0), min_size=2, max_size=12),
    st.floats(1.0, 400.0),
    st.floats(5.0, 1e4),
)
def test_channels_that_an_error_keeps(s, alpha, epsilon):
    errors = largest_errors(torch.tensor(s, dtype=torch.float64), alpha)
    told = int((errors > epsilon).sum())
    assert told == kept_by_definition(s, alpha, epsilon)
    assert errors[0] == torch.inf
    assert bool((errors[1:] < errors[:-1]).all())


@pytest.mark.parametrize("epsilon", [30.0, 100.0, 300.0, 1e3, 1e4])
def test_channels_that_an_error_keeps_in_a_wide_layer(epsilon):
    s = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    told = int((largest_errors(s, 270.0) > epsilon).sum())
    assert told == kept_by_definition(s.tolist(), 270.0, epsilon)


def test_channels_without_sensitivity_go_first():
    assert largest_errors(torch.tensor([0.0, 0.5, 0.0, 0.5]), 2.0)[2:].tolist() == [0.0, 0.0]
    assert largest_errors(torch.zeros(3), 2.0).tolist() == [0.0, 0.0, 0.0]
    assert bool(torch.isfinite(largest_errors(torch.tensor([1.0, 1e-30, 1e-38]), 2.0)[1:]).all())


def small():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(4 * 16, 5), nn.Tanh(), nn.Linear(5, 3))
    return net, torch.rand(7, 1, 11, 11, generator=torch.Generator().manual_seed(1))


def test_sensitivities_are_the_maxima_over_everything():
    net, images = small()
    mask, labels = Mask.full(net), torch.zeros(7, dtype=torch.int64)
    found = channels(net)
    scores, claims = Pfp().ranking(net, mask, found, Evidence(images=images, labels=labels))
    with torch.no_grad():
        first = net[:2](images)
        second = net[2:5](first)
        patches = nn.functional.unfold(first, 3, stride=2)
        by_hand = {
            "0.weight": sensitivity(net[2].weight.flatten(1), patches, "max").view(4, 3, 9).amax((0, 2)),
            "2.weight": sensitivity(net[5].weight, second[:, :, None], "max").view(5, 4, 16).amax((0, 2)),
            "5.weight": sensitivity(net[7].weight, net[5:7](second)[:, :, None], "max").amax(0),
        }
    for name, expected in by_hand.items():
        torch.testing.assert_close(scores[name], expected.double())
    alphas = [6 * math.log(8 * (positions + 1) * kernel / 1e-16) for positions, kernel in ((16, 9), (1, 1), (1, 1))]
    for (name, claim), alpha in zip(claims.items(), alphas, strict=True):
        torch.testing.assert_close(claim, largest_errors(by_hand[name], alpha))


def test_one_error_bound_decides_for_all_layers():
    net, images = small()
    data = (images, torch.zeros(7, dtype=torch.int64))
    _, claims = Pfp().ranking(net, Mask.full(net), channels(net), Evidence(images=images, labels=data[1]))
    for sparsity in (0.25, 0.5):
        mask = prune(net, "pfp", sparsity=sparsity, data=data)
        kept = {name: int(mask[name].flatten(1).any(1).sum()) for name in claims}
        assert sum(kept.values()) == 12 - round(12 * sparsity)
        assert min(kept.values()) >= 1
        smallest = min(float(claims[name][number - 1]) for name, number in kept.items())
        assert all(float(claim[kept[name]]) <= smallest for name, claim in claims.items() if kept[name] < len(claim))


def test_saturated_sensitivities_are_kept_in_order():
    net = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, 8, bias=False))
    net[0].weight.data, net[2].weight.data = torch.eye(8), torch.eye(8)
    mask = prune(net, "pfp", sparsity=0.5, data=(torch.ones(2, 8), torch.zeros(2, dtype=torch.int64)))
    assert mask["0.weight"].any(1).tolist() == [True] * 4 + [False] * 4


def test_sizes_of_resnet_20_are_met():
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0)
    data = (torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.zeros(2, dtype=torch.int64))
    for sparsity in (0.3, 0.8):
        mask = prune(net, "pfp", sparsity=sparsity, count="weights", data=data)
        target = mask.total - round(sparsity * mask.total)
        assert 0.995 * target <= mask.kept <= target
        assert not mask.collapsed()
