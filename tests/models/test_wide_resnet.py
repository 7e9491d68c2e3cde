import pytest
import torch
from torch import nn

from prunescope.models import MODELS, activations, build, tap_names
from prunescope.models.wide_resnet import Block
from tests.models.counting import closed_form_wide_resnet, parameters

CIFAR = (3, 32, 32)


def made(spec):
    return build(MODELS.build(spec), CIFAR, 10, seed=0)


@pytest.mark.parametrize(("name", "widen", "count", "millions"), [
    ("wrn16_2", 2, 691_674, "0.7"), ("wrn16_8", 8, 10_961_370, "11.0")
])  # fmt: skip
def test_parameter_counts_are_the_published_ones(name, widen, count, millions):
    net = made(name)
    assert parameters(net) == count == closed_form_wide_resnet(2, widen, 10)
    assert f"{count / 1e6:.1f}" == millions


def test_depth_counts_every_convolution_but_the_shortcuts_of_equal_width():
    net = made("wrn16_2")
    convolutions = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    shortcuts = [n for n in convolutions if "convShortcut" in n]
    assert shortcuts == [f"block{i}.layer.0.convShortcut" for i in (1, 2, 3)]
    assert len(convolutions) == 16  # the paper's depth: 13 on the main path and the three shortcuts


def test_taps_are_the_sixteen_probe_points_and_more():
    net = made("wrn16_2")
    shapes = {name: tuple(t.shape[1:]) for name, t in activations(net, torch.zeros(2, *CIFAR), [
        "conv1", "block1.layer.0.relu2", "block1.layer.0.conv2", "block1.layer.1", "block3.layer.1", "flatten"
    ]).items()}  # fmt: skip
    assert shapes == {
        "conv1": (16, 32, 32), "block1.layer.0.relu2": (32, 32, 32), "block1.layer.0.conv2": (32, 32, 32),
        "block1.layer.1": (32, 32, 32), "block3.layer.1": (128, 8, 8), "flatten": (128,),
    }  # fmt: skip
    assert tap_names(net, torch.zeros(1, *CIFAR))[-3:] == ["pool", "flatten", "fc"]


def test_a_block_without_its_convolutions_is_the_identity():
    block = Block(8, 8, 1, 0.0).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x)


def test_where_widths_differ_the_shortcut_starts_after_the_first_relu():
    block = Block(4, 8, 2, 0.0).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), block.convShortcut(block.bn1(x).relu()))


@pytest.mark.parametrize(("kind", "extra"), [("linear", 128 * 128 + 128), ("mlp", 2 * (128 * 128 + 128))])
def test_a_projection_adds_128_numbers_beside_logits_that_do_not_depend_on_it(kind, extra):
    plain, net = made("wrn16_2").eval(), made({"wrn16_2": {"projection": kind}}).eval()
    assert parameters(net) - parameters(plain) == extra
    images = torch.randn(2, *CIFAR, generator=torch.Generator().manual_seed(0))
    assert activations(net, images, ["projection"])["projection"].shape == (2, 128)
    before = net(images)
    for parameter in net.projection.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(net(images), before)


def test_dropout_stands_between_the_convolutions_and_only_when_asked_for():
    assert not [m for m in made("wrn16_2").modules() if isinstance(m, nn.Dropout)]
    names = tap_names(made({"wrn16_2": {"dropout": 0.3}}), torch.zeros(1, *CIFAR))
    at = names.index("block1.layer.0.dropout")
    assert names[at - 1 : at + 2] == ["block1.layer.0.relu2", "block1.layer.0.dropout", "block1.layer.0.conv2"]


def test_weights_are_he_normal_by_fan_out():
    weight = made("wrn16_2").get_submodule("block3.layer.1.conv2").weight
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.01)
