"""Whatever is wrong with a request, the answer is one refusal, and the network is as it was."""

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import CRITERIA, Mask, prune
from prunescope.pruning.reweight import reweight

LABELS = torch.zeros(3, dtype=torch.int64)
DATA = (torch.rand(3, 8, generator=torch.Generator().manual_seed(0)), LABELS)


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 3))


def tied():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def diverged():
    net = mlp()
    net[0].weight.data[2, 3] = torch.nan
    return net


def told(net):
    buffers = {name: value.clone() for name, value in net.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    return buffers, hooks, [m.training for m in net.modules()], [p.grad for p in net.parameters()]


def unchanged(before, after):
    same = all(torch.equal(value, after[0][name]) or bool(value.isnan().any()) for name, value in before[0].items())
    return same and before[1:] == after[1:]


LOOKING = [name for name in CRITERIA.names() if CRITERIA.get(name)().needs_data and CRITERIA.get(name).unit != "filter"]
CASES = [
    *((mlp, name, {"data": (torch.zeros(3, 7), LABELS)}, "cannot take these images") for name in LOOKING),
    *((mlp, name, {"data": (torch.zeros(0, 8), LABELS[:0])}, "no images") for name in LOOKING),
    *((mlp, name, {}, "looks at data") for name in LOOKING),
    *((tied, name, {"data": DATA}, "share one weight") for name in CRITERIA.names()),
    *((nn.Flatten, name, {"data": DATA}, "nothing to prune") for name in CRITERIA.names()),
    *(
        (diverged, name, {"data": DATA}, "not finite")
        for name in CRITERIA.names()
        if CRITERIA.get(name).unit == "weight"
    ),
    (mlp, "snip", {"data": (DATA[0], LABELS + 3)}, "labels do not fit"),
    (mlp, "snip", {"data": (DATA[0], LABELS[:2])}, "differ in number"),
    (mlp, "sipp", {"data": (DATA[0] * torch.nan, LABELS)}, "NaN"),
    (mlp, "dpp_node", {"data": (DATA[0] * torch.nan, LABELS)}, "NaN"),
    (mlp, "dpp_node", {"data": (DATA[0][:1], LABELS[:1]), "kernel": "linear"}, "rank 1"),
    (mlp, "dpp_edge", {"data": (DATA[0][:1], LABELS[:1]), "kernel": "linear"}, "rank 1"),
    (mlp, "random_node", {"sparsity": 0.95}, "empties a layer"),
    (mlp, "random_node", {"layers": ["1"]}, "names no hidden layer"),
    (mlp, "magnitude", {"ignore": ["5"]}, "ignore matches no prunable layer"),
    (mlp, "magnitude", {"mask": Mask({"0.weight": torch.ones(2, 2, dtype=torch.bool)})}, "does not belong"),
    *((mlp, "magnitude", {"sparsity": bad}, "sparsity out of range") for bad in (-0.1, 1.0, float("nan"), "half")),
]


@pytest.mark.parametrize(("build", "criterion", "options", "message"), CASES)
def test_one_refusal_and_the_network_is_as_it_was(build, criterion, options, message):
    net = build()
    before = told(net)
    with pytest.raises(PrunescopeError, match=message) as caught:
        prune(net, criterion, **{"sparsity": 0.5, **options})
    assert len(str(caught.value).splitlines()) < 15
    assert unchanged(before, told(net))


def test_refits_that_fail_leave_the_network_too():
    net = mlp()
    mask, before = prune(net, "random_node", sparsity=0.5), told(net)
    for images in (torch.zeros(3, 7), torch.full((3, 8), torch.nan)):
        with pytest.raises(PrunescopeError):
            reweight(net, mask, images)
    assert unchanged(before, told(net))
