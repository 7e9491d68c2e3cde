"""What pruning has made useless goes too, and what it was is folded into the next bias."""

import pytest
import torch
from torch import nn

from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prune
from prunescope.pruning.channels import channels
from prunescope.pruning.propagate import propagate


def lenet():
    return build(MODELS.build("lenet5"), (1, 28, 28), 10, seed=0)


def images(n=20, side=28):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(0))


def outputs(net, mask, biases, x):
    parameters = {name: p.detach().masked_fill(~mask[name], 0.0) for name, p in net.named_parameters() if name in mask}
    with torch.no_grad():
        return torch.func.functional_call(net.eval(), {**parameters, **biases}, (x,))


def without_rows(net, name, rows):
    mask = Mask.full(net)
    flags = mask[name].clone()
    flags[rows] = False
    return Mask({**mask, name: flags})


@pytest.mark.parametrize("single", [True, False])
def test_constants_go_and_the_outputs_stay(single):
    net, x = lenet(), images()
    net.conv1.bias.data[:3] = torch.tensor([0.5, -0.5, 0.25])
    mask = without_rows(net, "conv1.weight", [0, 1])
    smaller, biases = propagate(net, mask, x, single=single)
    assert smaller.within(mask)
    assert not bool(smaller["conv2.weight"][:, :2].any())
    assert "conv2.bias" in biases
    torch.testing.assert_close(outputs(net, smaller, biases, x), outputs(net, mask, {}, x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        biases["conv2.bias"], net.conv2.bias.detach() + 0.5 * net.conv2.weight.detach()[:, 0].sum((1, 2))
    )


def test_units_that_never_fire_go_with_what_feeds_only_them():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    for layer in (net[0], net[2]):
        layer.weight.data.abs_()
        layer.bias.data.zero_()
    net[2].bias.data[0] = -100.0
    whole = Mask.full(net)
    mask = Mask({**whole, "2.weight": whole["2.weight"] & (torch.arange(4) != 1) | (torch.arange(3) == 0)[:, None]})
    x = torch.rand(30, 3)
    smaller, biases = propagate(net, mask, x, single=False)
    assert not bool(smaller["2.weight"][0].any())
    assert not bool(smaller["4.weight"][:, 0].any())
    assert smaller["0.weight"].any(1).tolist() == [True, False, True, True]  # only the dead unit read it
    torch.testing.assert_close(outputs(net, smaller, biases, x), outputs(net, mask, {}, x))


def test_weights_that_see_nothing_go_one_by_one():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.Tanh(), nn.Linear(5, 3)), images(side=4)
    x[:, :, 0] = 0.0
    mask = Mask.full(net)
    smaller, biases = propagate(net, mask, x)
    assert smaller["1.weight"].all(0).tolist() == [False] * 4 + [True] * 12
    assert smaller["1.weight"].any(0).tolist() == [False] * 4 + [True] * 12
    assert biases == {}
    assert propagate(net, mask, x, single=False) == (mask, {})


def test_a_saturated_loss_removes_nothing():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    net[2].weight.data *= 1e6
    assert propagate(net, Mask.full(net), torch.randn(10, 4))[0] == Mask.full(net)


def test_constants_stay_where_no_bias_can_take_them():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=False))
    net[0].bias.data[:2] = torch.tensor([1.0, -1.0])
    mask = without_rows(net, "0.weight", [0, 1])
    smaller, biases = propagate(net, mask, torch.randn(10, 4), single=False)
    assert biases == {}
    assert smaller["2.weight"].all(0).tolist() == [True, False, True, True, True]


def test_what_was_pruned_before_leaves_no_bias():
    net = build(MODELS.build("convnet"), (1, 8, 8), 10, seed=0)
    nn.init.ones_(net.bn2.bias)  # dead channels are 1, and conv3 has no bias
    mask = prune(net, "filter_norm", sparsity=0.5)
    assert propagate(net, mask, images(20, 8), single=False)[1] == {}


def test_a_layer_of_constants_keeps_one():
    net, x = lenet(), images(4)
    mask = without_rows(net, "fc1.weight", list(range(120)))
    smaller, biases = propagate(net, mask, x, single=False)
    assert int(smaller["fc2.weight"].any(0).sum()) == 1
    torch.testing.assert_close(outputs(net, smaller, biases, x), outputs(net, mask, {}, x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["resnet20", "densenet22"])
def test_filters_stay_whole(name):
    net, x = build(MODELS.build(name), (1, 16, 16), 10, seed=0), images(6, 16)
    mask = prune(net, "filter_norm", sparsity=0.5)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    smaller, biases = propagate(net, mask, x, single=False)
    found = channels(net)
    assert smaller == found.keep(mask, found.alive(smaller))
    torch.testing.assert_close(outputs(net, smaller, biases, x), outputs(net, mask, {}, x), atol=1e-5, rtol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
