import pytest
import torch
from torch import nn

from prunescope.models import MODELS, activations, auxiliary, build, tap_names
from prunescope.models.projection import projection_head
from prunescope.pruning import Mask, prunable, prune

HEADED = ["convnet", "wrn16_2"]


def made(name, projection):
    return build(MODELS.build({name: {"projection": projection}}), (1, 8, 8), 10, seed=0)


@pytest.mark.parametrize("name", HEADED)
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_head_stands_beside_the_logits(name, kind):
    net = made(name, kind).eval()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert activations(net, images, ["projection"])["projection"].shape == (3, 128)
    before = net(images)
    for parameter in net.get_submodule("projection").parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(net(images), before)


@pytest.mark.parametrize("name", HEADED)
def test_a_head_is_neither_pruned_nor_counted(name):
    plain, headed = made(name, "none"), made(name, "mlp")
    assert list(prunable(headed)) == list(prunable(plain))
    mask = prune(headed, sparsity=0.9)
    assert mask.total == Mask.full(plain).total
    before = [p.clone() for p in headed.get_submodule("projection").parameters()]
    mask.apply_(headed)
    assert all(torch.equal(a, b) for a, b in zip(before, headed.get_submodule("projection").parameters(), strict=True))


def test_the_parts_of_a_head_are_auxiliary_and_nothing_else():
    net = made("convnet", "mlp")
    names = {name for name, module in net.named_modules() if module in auxiliary(net)}
    assert names == {"projection", "projection.0", "projection.1", "projection.2"}
    assert not auxiliary(made("convnet", "none"))


def test_kinds_of_heads():
    assert projection_head(64, "none") is None
    assert [type(part) for part in projection_head(64, "mlp")] == [nn.Linear, nn.ReLU, nn.Linear]
    assert projection_head(64, "linear")[0].weight.shape == (128, 64)
    assert tap_names(made("convnet", "none"), torch.zeros(1, 1, 8, 8))[-2:] == ["flatten", "linear"]
