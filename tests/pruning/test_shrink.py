"""A network without the channels that do nothing gives the same outputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prune
from prunescope.pruning.channels import channels
from prunescope.pruning.shrink import shrink

SHAPES = {"lenet5": (1, 28, 28), "mlp": (1, 8, 8), "convnet": (1, 8, 8)}
NAMES = ["lenet5", "mlp", "convnet", "resnet20", "wrn16_2", "densenet22", "svhn_net"]


def lived_in(net):
    """Return the network with batch norms and biases that are not those of a fresh one."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.normal_(module.bias, generator=generator)
    return net


def model(name, **options):
    return lived_in(build(MODELS.build({name: options}), SHAPES.get(name, (3, 32, 32)), 10, seed=0))


def images(name, n=6):
    return torch.rand(n, *SHAPES.get(name, (3, 32, 32)), generator=torch.Generator().manual_seed(2))


def assert_same(net, mask, small, x):
    with torch.no_grad():
        wanted, told = mask.apply_(net).eval()(x), small.eval()(x)
    assert float((told - wanted).abs().max()) <= 1e-5 * max(1.0, float(wanted.abs().max()))


def weights(net):
    return sum(tensor.numel() for tensor in Mask.full(net).values())


@pytest.mark.parametrize(("shortcut", "name"), [("B", "resnet20"), *((None, name) for name in NAMES)])
def test_outputs_are_the_same_and_nothing_masked_is_left(name, shortcut):
    net = model(name, **({"shortcut": shortcut} if shortcut else {}))
    mask = prune(net, "random_filter", sparsity=0.5, seed=3)
    small = shrink(net, mask)
    assert weights(small) == mask.kept  # the budget says what is really removed
    assert_same(net, mask, small, images(name))


def test_vgg_shrinks_too():
    net = lived_in(build(MODELS.build("vgg16"), (3, 32, 32), 10, seed=0))
    mask = prune(net, "filter_norm", sparsity=0.8)
    small = shrink(net, mask)
    assert weights(small) == mask.kept
    assert_same(net, mask, small, images("vgg16", n=2))


@pytest.mark.parametrize("sparsity", [0.1, 0.9])
def test_few_and_nearly_all(sparsity):
    for name in ("resnet20", "densenet22"):
        net = model(name)
        mask = prune(net, "filter_norm", sparsity=sparsity)
        small = shrink(net, mask)
        assert weights(small) == mask.kept
        assert_same(net, mask, small, images(name))


def test_single_weights_make_nothing_smaller():
    net = model("resnet20")
    mask = prune(net, "magnitude", sparsity=0.5)
    small = shrink(net, mask)
    assert weights(small) == mask.total
    assert_same(net, mask, small, images("resnet20"))


def test_the_network_is_left_alone_and_its_flags_are_kept():
    net = model("resnet20")
    net.linear.requires_grad_(False)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    small = shrink(net, prune(net, "filter_norm", sparsity=0.5))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert small.training
    assert net.training
    assert {n: p.requires_grad for n, p in small.named_parameters()} == {
        n: p.requires_grad for n, p in net.named_parameters()
    }
    assert not any(p.requires_grad for n, p in small.named_parameters() if "linear" in n)


def without_rows(net, name, rows):
    mask = Mask.full(net)
    flags = mask[name].clone()
    flags[rows] = False
    return Mask({**mask, name: flags})


def test_constants_are_folded_into_the_next_bias():
    net = model("lenet5")
    mask = without_rows(net, "conv1.weight", [0, 4])
    small = shrink(net, mask)
    assert small.conv1.out_channels == small.conv2.in_channels == 4
    assert not torch.equal(small.conv2.bias, net.conv2.bias)
    assert_same(net, mask, small, images("lenet5"))


def test_a_bias_is_made_where_there_is_none():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3, bias=False), nn.ReLU()]
    net = lived_in(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    mask = without_rows(net, "0.weight", [1, 2])
    small = shrink(net, mask)
    assert small[3].weight.shape == (4, 3, 3, 3)
    assert small[3].bias is not None
    assert_same(net, mask, small, images("other"))


def test_constants_that_meet_a_padded_edge_stay():
    net = model("convnet")
    mask = without_rows(net, "conv1.weight", [0, 1, 2, 3])
    with torch.no_grad():
        net.bn1.bias[:2] = net.bn1.running_mean[:2] * net.bn1.weight[:2] / (net.bn1.running_var[:2] + 1e-5).sqrt() - 1
        net.bn1.bias[2:4] = 5.0 + net.bn1.running_mean[2:4].abs() * 2
    small = shrink(net, mask)
    assert small.conv1.out_channels == 14  # ReLU makes the first two 0, which may go; the others are seen at the edge
    assert_same(net, mask, small, images("convnet"))


def test_what_nobody_reads_goes_and_what_one_of_two_writes_stays():
    net = model("resnet20")
    whole = Mask.full(net)
    unread = whole["layer1.0.conv2.weight"].clone()
    unread[:, 3] = False
    assert shrink(net, Mask({**whole, "layer1.0.conv2.weight": unread})).layer1[0].conv1.out_channels == 15
    assert shrink(net, without_rows(net, "conv1.weight", [2])).conv1.out_channels == 16


def test_weights_that_the_mask_does_not_cover_are_whole():
    net = model("lenet5")
    mask = prune(net, "filter_norm", sparsity=0.5, ignore=["conv2", "fc3"])
    assert "fc3.weight" not in mask
    small = shrink(net, mask)
    assert small.conv1.out_channels == 6
    assert small.fc2.out_features == 84
    assert small.fc1.out_features == 60
    assert_same(net, mask, small, images("lenet5"))


def test_nothing_to_remove_is_no_error():
    net = nn.Linear(4, 2)
    assert torch.equal(shrink(net, Mask.full(net)).weight, net.weight)


def test_a_collapsed_layer_keeps_one_channel():
    net = model("lenet5")
    whole = Mask.full(net)
    mask = Mask({**whole, "fc1.weight": torch.zeros_like(whole["fc1.weight"])})
    small = shrink(net, mask)
    assert small.fc1.out_features == 1
    assert_same(net, mask, small, images("lenet5"))


class Mixing(nn.Module):
    """Channels are mixed by something that looks elementwise."""

    def __init__(self, mix):
        super().__init__()
        self.first, self.last, self.mix = nn.Linear(6, 8), nn.Linear(8, 2), mix

    def forward(self, x):
        return self.last(self.mix(self.first(x)))


def test_networks_that_mix_what_looks_apart_are_refused():
    torch.manual_seed(0)
    net = Mixing(lambda x: functional.softmax(x, dim=1))
    other = Mixing(lambda x: x * torch.arange(8.0))
    for odd, told in ((net, "mixes what looks apart"), (other, "no longer fit")):
        with pytest.raises(PrunescopeError, match=told):
            prune(odd, "filter_norm", sparsity=0.5)
        with pytest.raises(PrunescopeError, match=told):
            shrink(odd, Mask.full(odd))
    with pytest.raises(PrunescopeError, match="mask does not fit"):
        shrink(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), Mask.full(nn.Sequential(nn.Linear(3, 3))))


def test_two_rounds_of_shrinking():
    net = model("densenet22")
    small = shrink(net, prune(net, "filter_norm", sparsity=0.3))
    assert sum(map(len, channels(small).groups.values())) == round(0.7 * 627)
    mask = prune(small, "filter_norm", sparsity=0.3)
    smaller = shrink(small, mask)
    assert weights(smaller) == mask.kept
    assert_same(small, mask, smaller, images("densenet22"))
    option_a = model("resnet20")
    small = shrink(option_a, prune(option_a, "filter_norm", sparsity=0.3))
    mask = prune(small, "random_filter", sparsity=0.5)
    assert_same(small, mask, shrink(small, mask), images("resnet20"))
