"""How a budget is spent on filters, and which filters filter_norm and random_filter keep."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import Budget, Mask, choose, prune
from prunescope.pruning.channels import channels
from prunescope.pruning.criteria import RandomFilter
from prunescope.pruning.criterion import Evidence

SHAPE = (3, 32, 32)


def model(name, shape=SHAPE, **options):
    return build(MODELS.build({name: options}), shape, 10, seed=0)


def rows(mask, name):
    return mask[name].flatten(1).any(1)


@pytest.mark.parametrize("sparsity", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", ["lenet5", "convnet", "resnet20", "wrn16_2", "densenet22", "svhn_net", "mlp"])
def test_every_layer_keeps_the_same_share_and_the_total_is_exact(name, sparsity):
    net = model(name)
    mask = prune(net, "random_filter", sparsity=sparsity, seed=1)
    counts = RandomFilter().counts(net, mask)
    kept, total = ({n: pair[side] for n, pair in counts.items()} for side in (0, 1))
    assert sum(kept.values()) == sum(total.values()) - round(sparsity * sum(total.values()))
    assert all(abs(kept[n] - (1 - sparsity) * total[n]) <= 1 for n in kept)
    last = list(mask)[-1]
    assert len(mask[last]) == int(rows(mask, last).sum())


def test_the_norm_is_that_of_all_rows_that_write_a_channel():
    net = model("resnet20", width=4, shortcut="B")
    for norm in (1, 2):
        mask = prune(net, "filter_norm", sparsity=0.5, norm=norm)
        writers = ["conv1", *(f"layer1.{i}.conv2" for i in range(3))]
        tied = torch.cat([net.get_submodule(name).weight.flatten(1) for name in writers], dim=1)
        expected = set(torch.linalg.vector_norm(tied, norm, dim=1).topk(2).indices.tolist())
        assert set(rows(mask, "conv1.weight").nonzero().flatten().tolist()) == expected


def test_norms_by_hand():
    net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 1))
    net[0].weight.data = torch.tensor([[3.0, 3.0], [5.0, 0.0], [1.0, -1.0]])
    assert rows(prune(net, "filter_norm", sparsity=2 / 3), "0.weight").tolist() == [True, False, False]
    assert rows(prune(net, "filter_norm", sparsity=2 / 3, norm=2), "0.weight").tolist() == [False, True, False]
    first = Mask({**Mask.full(net), "0.weight": torch.tensor([[False, True], [True, True], [True, True]])})
    assert rows(prune(net, "filter_norm", sparsity=2 / 3, mask=first), "0.weight").tolist() == [False, True, False]
    mask = prune(net, "filter_norm", sparsity=1 / 3)
    assert mask["2.weight"].tolist() == [[True, True, False]]


def test_equal_norms_are_kept_in_order():
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    net[0].weight.data.fill_(1.0)
    assert rows(prune(net, "filter_norm", sparsity=0.5), "0.weight").tolist() == [True, True, False, False]


def test_random_filters_are_uniform():
    net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    found, whole, draws = channels(net), Mask.full(net), 3000
    rankings = (RandomFilter().ranking(net, whole, found, Evidence(seed=seed)) for seed in range(draws))
    told = sum((scores["0.weight"] >= scores["0.weight"].topk(2).values[1]).double() for scores, _ in rankings)
    assert float((told / draws - 1 / 3).abs().max()) < 4.5 * (2 / 9 / draws) ** 0.5


@pytest.mark.parametrize("sparsity", [0.15, 0.5, 0.8, 0.9])
@pytest.mark.parametrize("name", ["resnet20", "wrn16_2", "densenet22"])
def test_a_size_is_met_within_half_a_percent(name, sparsity):
    mask = prune(model(name), "filter_norm", sparsity=sparsity, count="weights")
    target = mask.total - round(sparsity * mask.total)
    assert 0.995 * target <= mask.kept <= target


def test_sizes_of_small_networks_are_met_as_far_as_filters_allow():
    net = nn.Sequential(nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 10))
    mask = prune(net, "filter_norm", sparsity=0.45, count="weights")
    assert mask.kept == 5 * 794  # a sixth would make 4764, more than .55 · 7940 = 4367
    with pytest.raises(PrunescopeError, match="at least 794 weights"):
        prune(net, "filter_norm", sparsity=0.95, count="weights")


def test_groups_that_are_dead_already_stay_so():
    net, criterion = model("resnet20", width=4), RandomFilter()
    whole, inner = Mask.full(net), ("layer1.0.conv1.weight", "layer1.0.conv2.weight")
    dead = Mask({**whole, **{name: torch.zeros_like(whole[name]) for name in inner}})
    counts = criterion.counts(net, dead)
    assert counts["layer1.0.conv1.weight"] == (0, 4)
    halves = Budget(counts={name: alive // 2 for name, (alive, _) in counts.items()}, scope="layer")
    for budget in (halves, Budget.of_remaining(counts, remove=0.5)):
        mask = choose(criterion, net, dead, budget, Evidence())
        assert mask.within(dead)
        assert min(int(rows(mask, name).sum()) for name in mask if name not in inner) >= 2


def test_pruning_goes_on_from_a_mask():
    net = model("resnet20", width=4)
    half = prune(net, "filter_norm", sparsity=0.5)
    more = prune(net, "filter_norm", sparsity=0.7, mask=half)
    assert more.within(half)
    assert int(rows(more, "layer3.0.conv1.weight").sum()) == 5
    with pytest.raises(PrunescopeError, match="more is pruned already"):
        prune(net, "filter_norm", sparsity=0.2, mask=half)


@pytest.mark.parametrize("norm", [1, 2])
def test_chains_agree_with_torch_on_which_filters_go(norm):
    net = model("convnet", (1, 8, 8))
    mask = prune(net, "filter_norm", sparsity=0.5, scope="layer", norm=norm)
    for name in ("conv1", "conv2", "conv3"):
        layer = net.get_submodule(name)
        told = torch_prune.ln_structured(copy.deepcopy(layer), "weight", amount=0.5, n=norm, dim=0)
        assert torch.equal(told.weight_mask.flatten(1).any(1), rows(mask, f"{name}.weight"))
