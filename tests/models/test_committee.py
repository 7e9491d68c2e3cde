import math

import pytest
import torch
from torch.special import erf

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, Committee, activations, build


def made(classes=1, inputs=20, **options):
    return build(Committee(**options), (1, 1, inputs), classes, seed=1)


def test_it_computes_its_formula():
    net = made(classes=2, hidden=3).double()
    x = torch.randn(5, 1, 1, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w, v = net.hidden.weight, net.output.weight
    fields = torch.stack([(w * row.flatten()).sum(1) / math.sqrt(20) for row in x])
    expected = torch.stack([(v * erf(f / math.sqrt(2))).sum(1) for f in fields])
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(activations(net, x, ["hidden"])["hidden"], fields.detach())


def test_it_has_no_bias_and_as_many_parameters_as_the_literature():
    net = made(hidden=6, inputs=500)
    assert sum(p.numel() for p in net.parameters()) == 500 * 6 + 6
    assert list(net.state_dict()) == ["hidden.weight", "output.weight"]


def test_weights_are_standard_normal():
    net = made(hidden=100, inputs=400, classes=100)
    for weight in net.parameters():
        assert weight.mean().item() == pytest.approx(0, abs=4 / weight.numel() ** 0.5)
        assert weight.std().item() == pytest.approx(1, abs=0.03)


def test_the_soft_committee_has_ones():
    assert torch.equal(made(output="ones", hidden=4).output.weight, torch.ones(1, 4))


def test_other_nonlinearities_take_the_place_of_erf():
    x = torch.randn(5, 1, 1, 20, generator=torch.Generator().manual_seed(0))
    net, linear = made(activation="relu"), made(activation="linear")
    assert net.nonlinearity == "relu" and torch.equal(net.hidden.weight, linear.hidden.weight)
    hidden = linear.hidden(x.flatten(1) / math.sqrt(20))
    torch.testing.assert_close(linear(x), linear.output(hidden))
    torch.testing.assert_close(net(x), net.output(torch.relu(hidden)))


def test_its_derivatives_are_those_of_online_learning():
    """∂ŷ/∂w_i = v_i g'(λ_i) x/√N and ∂ŷ/∂v_i = g(λ_i), with g'(λ) = √(2/π) exp(−λ²/2)."""
    net = made(hidden=3).double()
    x = torch.randn(1, 1, 1, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net(x).sum().backward()
    field = (net.hidden.weight @ x.flatten() / math.sqrt(20)).detach()
    slope = math.sqrt(2 / math.pi) * torch.exp(-(field**2) / 2)
    expected = (net.output.weight[0] * slope).unsqueeze(1) * x.flatten() / math.sqrt(20)
    torch.testing.assert_close(net.hidden.weight.grad, expected.detach())
    torch.testing.assert_close(net.output.weight.grad[0], erf(field / math.sqrt(2)))


@pytest.mark.parametrize("options", [{"hidden": 0}, {"output": "zeros"}, {"bias": True}, {"activation": "gelu"}])
def test_options_that_make_no_committee_are_refused(options):
    with pytest.raises(PrunescopeError, match="committee"):
        MODELS.build({"committee": options})
