import math

import pytest
import torch
from scipy import special
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import MLP, MODELS, build
from prunescope.models.mlp import Erf


def test_the_500_500_network_of_the_dpp_studies_has_its_published_size():
    net = build(MLP(hidden=(500, 500), activation="sigmoid"), (1, 28, 28), 10, seed=0)
    assert sum(p.numel() for p in net.parameters()) == 784 * 500 + 500 + 500 * 500 + 500 + 500 * 10 + 10


def test_the_three_times_1000_network_for_cifar_has_its_published_size():
    net = build(MLP(hidden=(1000, 1000, 1000), activation="sigmoid", dropout=0.5), (3, 32, 32), 10, seed=0)
    assert sum(p.numel() for p in net.parameters()) == 3072 * 1000 + 2 * 1000 * 1000 + 1000 * 10 + 3010
    assert [name for name in dict(net.named_modules()) if "dropout" in name] == ["dropout1", "dropout2", "dropout3"]


@pytest.mark.parametrize(
    ("activation", "gain"), [("relu", math.sqrt(2)), ("sigmoid", 1.0), ("tanh", 5 / 3), ("erf", 1)]
)
def test_weights_are_xavier_uniform_with_the_activations_gain_and_biases_zero(activation, gain):
    net = build(MLP(hidden=(300,), activation=activation), (1, 20, 20), 10, seed=0)
    bound = gain * math.sqrt(6 / (400 + 300))
    assert 0.99 * bound < net.linear1.weight.abs().max().item() <= bound * (1 + 1e-6)
    assert net.linear1.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert not net.linear1.bias.any()


def test_erf_is_the_error_function_of_x_over_root_two():
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)
    expected = special.erf(x.numpy() / math.sqrt(2))
    assert Erf()(x).numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "erf"])
def test_the_network_computes_its_formula(activation):
    functions = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
    f = functions.get(activation, lambda x: torch.erf(x / math.sqrt(2)))
    net = build(MLP(hidden=(5, 4), activation=activation), (2, 3, 3), 2, seed=1)
    x = torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    (w1, b1), (w2, b2), (w3, b3) = ((m.weight, m.bias) for m in net if isinstance(m, nn.Linear))
    expected = f(f(x.flatten(1) @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    torch.testing.assert_close(net(x), expected)


def test_without_hidden_layers_it_is_a_linear_classifier():
    net = build(MLP(hidden=()), (1, 4, 4), 3, seed=0)
    assert list(net.state_dict()) == ["linear1.weight", "linear1.bias"]


def test_dropout_drops_its_share_in_training_and_nothing_in_evaluation():
    net = build(MLP(hidden=(4000,), dropout=0.3), (1, 2, 2), 3, seed=0)
    hidden = torch.ones(1, 4000)
    assert (net.dropout1(hidden) == 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(net.eval().dropout1(hidden), hidden)
    assert "dropout1" not in dict(build(MLP(hidden=(4,)), (1, 2, 2), 3, seed=0).named_modules())


@pytest.mark.parametrize("options", [{"hidden": [0]}, {"dropout": 1.0}, {"activation": "gelu"}, {"depth": 3}])
def test_options_that_make_no_network_are_refused(options):
    with pytest.raises(PrunescopeError, match="mlp"):
        MODELS.build({"mlp": options})
