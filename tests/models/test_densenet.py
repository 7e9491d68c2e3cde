import pytest
import torch
from torch import nn

from prunescope.models import DenseNet22, activations, build, tap_names
from prunescope.models.densenet import Bottleneck
from tests.models.counting import closed_form_densenet, parameters

CIFAR = (3, 32, 32)


def test_parameters_are_those_of_densenet_bc_with_22_layers_and_growth_12():
    assert parameters(build(DenseNet22(), CIFAR, 10, seed=0)) == 71_686 == closed_form_densenet(12, 3, 10)


@pytest.mark.parametrize("growth", [1, 4, 32])
def test_the_closed_form_agrees_for_every_growth(growth):
    assert parameters(build(DenseNet22(growth=growth), CIFAR, 7, seed=0)) == closed_form_densenet(growth, 3, 7)


def test_depth_counts_convolutions_and_the_linear_layer():
    net = build(DenseNet22(), CIFAR, 10, seed=0)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules()) == 22


def test_taps_grow_by_twelve_and_halve_between_blocks():
    net = build(DenseNet22(), CIFAR, 10, seed=0)
    names = ["conv1", "dense1.0", "dense1.2", "trans1", "dense2.2", "trans2.pool", "dense3.2", "flatten"]
    found = activations(net, torch.zeros(2, *CIFAR), names)
    assert [tuple(t.shape[1:]) for t in found.values()] == [
        (24, 32, 32), (36, 32, 32), (60, 32, 32), (30, 16, 16), (66, 16, 16), (33, 8, 8), (69, 8, 8), (69,),
    ]  # fmt: skip
    parts = ["bn1", "relu1", "conv1", "bn2", "relu2", "conv2"]
    assert tap_names(net, torch.zeros(1, *CIFAR))[1:8] == [*(f"dense1.0.{part}" for part in parts), "dense1.0"]


def test_a_bottleneck_hands_its_input_on_and_appends_new_channels():
    x = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    out = Bottleneck(5, 3)(x)
    assert out.shape == (2, 8, 4, 4)
    assert torch.equal(out[:, :5], x)
