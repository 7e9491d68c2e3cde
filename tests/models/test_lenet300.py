import torch
from torch import nn

from prunescope.models import MLP, LeNet300, build, tap_names
from tests.models.counting import parameters

MNIST = (1, 28, 28)


def test_parameters_are_the_published_ones():
    assert parameters(build(LeNet300(), MNIST, 10, seed=0)) == 266_610


def test_taps_and_formula():
    net = build(LeNet300(), MNIST, 10, seed=0)
    x = torch.randn(4, *MNIST, generator=torch.Generator().manual_seed(0))
    assert tap_names(net, x) == ["flatten", "fc1", "relu1", "fc2", "relu2", "fc3"]
    (w1, b1), (w2, b2), (w3, b3) = ((m.weight, m.bias) for m in net if isinstance(m, nn.Linear))
    expected = ((x.flatten(1) @ w1.T + b1).relu() @ w2.T + b2).relu() @ w3.T + b3
    torch.testing.assert_close(net(x), expected)


def test_it_is_the_mlp_of_its_sizes():
    assert parameters(build(MLP(hidden=(300, 100)), MNIST, 10, seed=0)) == 266_610
