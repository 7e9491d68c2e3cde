import pytest
import torch
from torch import nn

from prunescope.models import ResNet18, activations, build, tap_names
from tests.models.counting import closed_form_resnet18, parameters

CIFAR, IMAGENET = (3, 32, 32), (3, 64, 64)


@pytest.mark.parametrize(
    ("options", "shape", "classes", "published"),
    [
        ({}, CIFAR, 10, 11_173_962),
        ({"stem": "imagenet"}, IMAGENET, 1000, 11_689_512),
        ({"stem": "imagenet", "head": "hidden"}, CIFAR, 10, 11_689_512 - 513_000 + 512 * 100 + 100 + 100 * 10 + 10),
    ],
)
def test_parameter_counts_are_the_published_ones(options, shape, classes, published):
    assert parameters(build(ResNet18(**options), shape, classes, seed=0)) == published


def test_the_closed_form_agrees_for_every_width():
    for width in (64, 8, 1):
        for stem, kernel in (("cifar", 9), ("imagenet", 49)):
            net = build(ResNet18(stem=stem, width=width), CIFAR, 10, seed=0)
            assert parameters(net) == closed_form_resnet18(width, kernel, 10)


def test_names_are_those_of_torchvisions_checkpoints():
    names = set(build(ResNet18(stem="imagenet"), IMAGENET, 1000, seed=0).state_dict())
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias"} | {f"bn1.{part}" for part in norm}
    for block in (f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)):
        expected |= {f"{block}.conv{k}.weight" for k in (1, 2)} | {f"{block}.bn{k}.{p}" for k in (1, 2) for p in norm}
    for layer in ("layer2", "layer3", "layer4"):
        expected |= {f"{layer}.0.downsample.0.weight"} | {f"{layer}.0.downsample.1.{part}" for part in norm}
    assert names == expected
    assert len(names) == 122  # what torchvision's resnet18 checkpoint holds


@pytest.mark.parametrize(("stem", "sides"), [("cifar", [32, 16, 8, 4]), ("imagenet", [8, 4, 2, 1])])
def test_taps_have_the_sizes_of_the_paper(stem, sides):
    net = build(ResNet18(stem=stem, width=4), CIFAR, 10, seed=0)
    found = activations(net, torch.zeros(2, *CIFAR), ["layer1", "layer2", "layer3", "layer4", "flatten"])
    maps = [(4, 2), (8, 2), (16, 2), (32, 2)]
    assert [tuple(t.shape) for t in found.values()][:4] == [(2, w, s, s) for (w, _), s in zip(maps, sides, strict=True)]
    assert found["flatten"].shape == (2, 32)
    first_block = [name for name in tap_names(net, torch.zeros(1, *CIFAR)) if name.startswith("layer2.0")]
    parts = ["conv1", "bn1", "relu1", "conv2", "bn2", "downsample.0", "downsample.1", "relu2"]
    assert first_block == [f"layer2.0.{part}" for part in parts]


def test_a_block_adds_its_input_before_the_last_relu():
    block = build(ResNet18(width=4), CIFAR, 10, seed=0).layer1[0].eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), x.relu())


def test_depth_counts_convolutions_of_the_main_path_and_the_linear_layer():
    net = build(ResNet18(), CIFAR, 10, seed=0)
    layers = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "downsample" not in n]
    assert len(layers) == 18
