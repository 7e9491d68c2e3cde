from itertools import pairwise

import pytest
import torch
from torch import nn

from prunescope.models import MODELS, ResNet20, build
from prunescope.models.resnet import Subsample

COUNTS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
PUBLISHED_MILLIONS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7"}


def closed_form(depth, width=16, classes=10):
    n, kernel = (depth - 2) // 6, 9
    stem = 3 * width * kernel + 2 * width
    widths = [width, width, 2 * width, 4 * width]
    blocks = sum(
        kernel * (before * after + (2 * n - 1) * after * after) + 2 * n * 2 * after
        for before, after in pairwise(widths)
    )
    return stem + blocks + 4 * width * classes + classes


@pytest.mark.parametrize("depth", COUNTS)
def test_parameter_counts_are_the_published_ones(depth):
    net = build(MODELS.build(f"resnet{depth}"), (3, 32, 32), 10, seed=0)
    count = sum(p.numel() for p in net.parameters())
    assert count == COUNTS[depth] == closed_form(depth)
    digits = len(PUBLISHED_MILLIONS[depth].partition(".")[2])
    assert f"{count / 1e6:.{digits}f}" == PUBLISHED_MILLIONS[depth]


@pytest.mark.parametrize("depth", COUNTS)
def test_depth_counts_convolutions_and_the_linear_layer(depth):
    net = build(MODELS.build(f"resnet{depth}"), (3, 32, 32), 10, seed=0)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in net.modules()) == depth


def test_names_are_those_of_the_checkpoints_in_circulation():
    net = build(ResNet20(), (3, 32, 32), 10, seed=0)
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "linear.weight", "linear.bias"} | {f"bn1.{part}" for part in norm}
    for block in (f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1, 2)):
        expected |= {f"{block}.conv1.weight", f"{block}.conv2.weight"}
        expected |= {f"{block}.{bn}.{part}" for bn in ("bn1", "bn2") for part in norm}
    assert set(net.state_dict()) == expected


def test_a_data_parallel_checkpoint_loads_strictly_after_stripping_its_prefix():
    saved = {f"module.{k}": v for k, v in build(ResNet20(), (3, 32, 32), 10, seed=5).state_dict().items()}
    net = build(ResNet20(), (3, 32, 32), 10, seed=0)
    net.load_state_dict({k.removeprefix("module."): v for k, v in saved.items()}, strict=True)
    assert torch.equal(net.linear.weight, saved["module.linear.weight"])


def test_shortcut_b_adds_two_convolutions_with_batch_norm():
    a, b = (build(ResNet20(shortcut=kind), (3, 32, 32), 10, seed=0) for kind in "AB")
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    count = {net: sum(p.numel() for p in net.parameters()) for net in (a, b)}
    assert count[b] - count[a] == extra
    assert {"layer2.0.shortcut.0.weight", "layer3.0.shortcut.1.weight"} <= set(b.state_dict())


def test_shortcut_a_takes_every_second_pixel_and_adds_zero_channels_on_both_sides():
    x = torch.arange(2 * 2 * 5 * 4.0).view(2, 2, 5, 4)
    out = Subsample(4, 7)(x)
    assert out.shape == (2, 5, 3, 2)
    assert torch.equal(out[:, 1:3], x[:, :, ::2, ::2])
    assert not out[:, 0].any()
    assert not out[:, 3:].any()


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 7)])
def test_any_size_and_one_channel_go_through(shortcut, shape):
    net = build(ResNet20(shortcut=shortcut, width=3), shape, 6, seed=0)
    assert net(torch.zeros(2, *shape)).shape == (2, 6)


def test_a_block_without_its_convolutions_is_the_rectified_shortcut():
    net = build(ResNet20(), (3, 32, 32), 10, seed=0)
    block = net.layer2[0].eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), Subsample(16, 32)(x).relu())


def test_width_scales_every_layer():
    net = build(ResNet20(width=4), (3, 32, 32), 10, seed=0)
    assert [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] == [4] * 7 + [8] * 6 + [16] * 6
    assert sum(p.numel() for p in net.parameters()) == closed_form(20, width=4)
