"""Which filters are one channel, and who reads it."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.models.resnet import Subsample
from prunescope.pruning import Mask, prune
from prunescope.pruning.channels import channels


def model(name, shape=(3, 32, 32), **options):
    return build(MODELS.build({name: options}), shape, 10, seed=0)


def sizes(net):
    return {name: len(numbers) for name, numbers in channels(net).groups.items()}


def test_chains_and_what_flattening_makes_of_a_channel():
    net = model("lenet5", (1, 28, 28))
    found = channels(net)
    assert sizes(net) == {"conv1.weight": 6, "conv2.weight": 16, "fc1.weight": 120, "fc2.weight": 84}
    assert found.columns["fc1.weight"].tolist() == [6 + column // 16 for column in range(256)]
    assert found.columns["fc3.weight"].tolist() == found.rows["fc2.weight"].tolist() == list(range(142, 226))
    assert found.groups["fc2.weight"].tolist() == list(range(142, 226))
    assert found.members("conv2.weight") == {"conv2.weight", "fc1.weight"}
    assert "conv1.weight" not in found.columns
    assert "fc3.weight" not in found.rows


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_residual_sums_tie_their_layers(shortcut):
    net = model("resnet20", width=4, shortcut=shortcut)
    heads = ["conv1", *(f"layer1.{i}.conv1" for i in range(3)), "layer2.0.conv1", "layer2.0.conv2"]
    heads += ["layer2.1.conv1", "layer2.2.conv1", "layer3.0.conv1", "layer3.0.conv2", "layer3.1.conv1"]
    told = sizes(net)
    assert [name.removesuffix(".weight") for name in told] == [*heads, "layer3.2.conv1"]
    inner = [4] * 3, [8] * 3, [16] * 3
    streams = (4, 4, 8) if shortcut == "A" else (4, 8, 16)  # A hands 4 channels on to 8, and those to 16
    assert list(told.values()) == [
        *(streams[0], *inner[0], inner[1][0], streams[1]),
        *(*inner[1][1:], inner[2][0], streams[2], *inner[2][1:]),
    ]
    found = channels(net)
    writers = {"conv1.weight", *(f"layer1.{i}.conv2.weight" for i in range(3))}
    readers = {*(f"layer1.{i}.conv1.weight" for i in range(3)), "layer2.0.conv1.weight"}
    if shortcut == "B":
        assert found.members("conv1.weight") == writers | readers | {"layer2.0.shortcut.0.weight"}
    else:
        assert found.members("conv1.weight") > writers | readers | {"layer3.2.conv2.weight", "linear.weight"}
        assert found.members("layer2.0.conv2.weight") > {"layer2.2.conv2.weight", "layer3.2.conv2.weight"}
        assert found.rows["layer2.0.conv2.weight"][2:6].tolist() == found.rows["conv1.weight"].tolist()
        assert found.rows["layer3.2.conv2.weight"][4:12].tolist() == found.rows["layer2.0.conv2.weight"].tolist()


def test_concatenation_hands_channels_on_at_an_offset():
    net = model("densenet22", growth=2)
    found = channels(net)
    names = ("conv1.weight", "dense1.0.conv2.weight", "dense1.1.conv2.weight")
    assert found.columns["dense1.2.conv1.weight"].tolist() == torch.cat([found.groups[n] for n in names]).tolist()
    assert "dense1.2.conv1.weight" in found.members("conv1.weight")


@pytest.mark.parametrize("name", ["lenet5", "convnet", "resnet20", "wrn16_2", "densenet22", "svhn_net", "mlp"])
def test_every_inner_row_and_column_belongs_to_one_channel(name):
    net = model(name)
    found = channels(net)
    weights = [n for n in Mask.full(net) if not n.startswith("projection")]
    assert set(found.rows) == set(weights[:-1])
    assert set(found.columns) == set(weights[1:])
    assert all(int(side.min()) >= 0 for numbers in (found.rows, found.columns) for side in numbers.values())
    total = sum(map(len, found.groups.values()))
    assert sorted({int(i) for side in found.rows.values() for i in side}) == list(range(total))
    whole = Mask.full(net)
    everything = found.alive(whole)
    assert everything.kept == everything.total == total
    assert found.keep(whole, everything) == whole


def test_dead_filters_are_found_again():
    net = model("resnet20", width=4)
    found, whole = channels(net), Mask.full(net)
    generator = torch.Generator().manual_seed(0)
    kept = Mask({n: torch.rand(f.shape, generator=generator) > 0.4 for n, f in found.alive(whole).items()})
    mask = found.keep(whole, kept)
    assert found.alive(mask) == kept
    one = Mask({**whole, "layer1.0.conv1.weight": torch.zeros(4, 4, 3, 3, dtype=torch.bool)})
    assert found.alive(one).kept == found.alive(whole).kept  # they are still read


class Mixing(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, between, channels_between=4):
        super().__init__()
        self.first, self.between = nn.Conv2d(3, 4, 3), between
        self.last = nn.Conv2d(channels_between, 2, 3)

    def forward(self, x):
        return self.last(self.between(self.first(x)))


@pytest.mark.parametrize(
    "between",
    [nn.GroupNorm(2, 4), nn.LayerNorm(30), nn.Conv2d(4, 4, 1, groups=2), nn.ConvTranspose2d(4, 4, 2)],
    ids=lambda module: type(module).__name__,
)
def test_channels_that_cannot_go_alone_stay(between):
    net = Mixing(between)
    with pytest.raises(PrunescopeError, match="no filters to prune"):
        prune(net, "filter_norm", sparsity=0.5)


def test_depthwise_convolutions_go_with_their_channel():
    net = Mixing(nn.Conv2d(4, 4, 3, groups=4))
    assert sizes(net) == {"first.weight": 4}
    mask = prune(net, "filter_norm", sparsity=0.5)
    rows = mask["first.weight"].flatten(1).any(1)
    assert torch.equal(mask["between.weight"].flatten(1).all(1), rows)
    assert torch.equal(mask["last.weight"].flatten(2).all(2)[0], rows)
    assert int(rows.sum()) == 2


def test_padded_channels_and_unknown_inputs_are_refused():
    class Padded(nn.Module):
        def forward(self, x):
            return functional.pad(x, (0, 0, 0, 0, 1, 1))

    with pytest.raises(PrunescopeError, match="pads channels"):
        channels(Mixing(Padded(), 6))
    with pytest.raises(PrunescopeError, match="no image is known"):
        channels(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 5 * 9, 3)))

    class Leaving(Mixing):
        def forward(self, x):
            return torch.from_numpy(super().forward(x).numpy())

    with pytest.raises(PrunescopeError, match="cannot be traced"):
        channels(Leaving(nn.ReLU()))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width):
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, 2, 1), nn.Conv2d(2, width, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)), inplace=True)))


def test_inverted_residuals_with_a_gate():
    net = Mixing(nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, groups=8), Gate(8), nn.Conv2d(8, 4, 1)))
    assert sizes(net) == {
        "first.weight": 4,
        "between.0.weight": 8,
        "between.2.squeeze.weight": 2,
        "between.3.weight": 4,
    }
    found = channels(net)
    tied = {"between.0", "between.1", "between.2.squeeze", "between.2.excite", "between.3"}
    assert found.members("between.0.weight") == {f"{name}.weight" for name in tied}


class Shuffle(nn.Module):
    def forward(self, x):
        return x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)


class Chunks(nn.Module):
    def forward(self, x):
        left, right = x.chunk(2, dim=1)
        return torch.cat([left, self.extra(right)], dim=1)

    def __init__(self):
        super().__init__()
        self.extra = nn.Conv2d(2, 6, 1)


@pytest.mark.parametrize(("between", "width"), [(Shuffle(), 4), (Chunks(), 8)])
def test_shuffled_and_split_channels_are_refused(between, width):
    net = Mixing(between, width)
    with pytest.raises(PrunescopeError, match=r"cannot lose channels|cannot tell the channels"):
        prune(net, "filter_norm", sparsity=0.5)


def test_a_network_that_changed_is_traced_again():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    assert channels(net) is channels(net)
    net[0], net[2] = nn.Linear(4, 7), nn.Linear(7, 2)
    assert sizes(net) == {"0.weight": 7}
    net[1] = nn.LayerNorm(7)
    assert sizes(net) == {}


def test_shared_weights_and_none_to_prune_are_refused():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    with pytest.raises(PrunescopeError, match="share one weight"):
        prune(net, "filter_norm", sparsity=0.5)
    with pytest.raises(PrunescopeError, match="nothing to prune"):
        prune(nn.ReLU(), "filter_norm", sparsity=0.5)
    with pytest.raises(PrunescopeError, match="no filters to prune"):
        prune(nn.Linear(4, 4), "filter_norm", sparsity=0.5)


def test_ignored_layers_keep_what_is_tied_to_them():
    net = model("resnet20", width=4)
    mask = prune(net, "filter_norm", sparsity=0.5, ignore=["layer1.1.conv2"])
    assert bool(mask["conv1.weight"].all())
    assert bool(mask["layer1.0.conv2.weight"].flatten(1).any(1).all())
    assert int(mask["layer1.0.conv1.weight"].flatten(1).any(1).sum()) == 2
    assert "layer1.1.conv2.weight" not in mask


def test_the_network_is_not_touched():
    net = model("resnet20", width=4).train()
    net.requires_grad_(False)
    before, flags = dict(net.state_dict()), [m.training for m in net.modules()]
    channels(net)
    assert net.state_dict().keys() == before.keys()
    assert flags == [m.training for m in net.modules()]
    assert not any(p.requires_grad for p in net.parameters())
    assert any(isinstance(m, Subsample) for m in net.modules())
