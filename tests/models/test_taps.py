import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import ResNet20, activations, build, stream_activations, tap_names


class Reusing(nn.Module):
    """A network in the style of others: one in-place ReLU called twice, a part never called, a pair returned."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4))
        self.relu = nn.ReLU(inplace=True)
        self.pair = Pair()
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(9, 9)

    def forward(self, x):
        x = self.relu(self.body(x))
        x, _ = self.pair(x)
        return self.head(self.relu(x - 1))


class Pair(nn.Module):
    def forward(self, x):
        return x + 0.5, x


class Told(nn.Module):
    def forward(self, x):
        return {"logits": x}


def batch(n=5):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0))


def hooks(net):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def test_names_follow_the_forward_pass_and_number_repeated_calls():
    assert tap_names(Reusing(), batch()) == ["body.0", "relu:1", "relu:2", "head"]


def test_blocks_come_after_their_parts_and_containers_that_only_hand_on_are_left_out():
    names = tap_names(build(ResNet20(), (3, 8, 8), 10, seed=0), torch.zeros(1, 3, 8, 8))
    block = ["conv1", "bn1", "relu1", "conv2", "bn2", "relu2"]
    assert names[3:9] == [f"layer1.0.{part}" for part in block]
    assert "layer1" not in names
    assert names.index("layer2.0.shortcut") == names.index("layer2.0.bn2") + 1
    assert names[-3:] == ["pool", "flatten", "linear"]


def test_blocks_that_compute_after_their_parts_are_taps():
    class Doubling(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    net = nn.Sequential(Doubling(nn.Linear(3, 3)), nn.Linear(3, 2))
    assert tap_names(net, batch()) == ["0.0", "0", "1"]
    found = activations(net, batch(), ["0", "0.0"])
    assert torch.equal(found["0"], 2 * found["0.0"])


def test_activations_are_those_computed_by_hand_despite_in_place_operations():
    net = Reusing()
    found = activations(net, batch(), ["input", "body.0", "body", "relu:1", "relu:2", "head", "logits"])
    linear = net.body[0](batch())
    assert list(found) == ["input", "body.0", "body", "relu:1", "relu:2", "head", "logits"]
    assert torch.equal(found["input"], batch())
    assert torch.equal(found["body.0"], linear) and torch.equal(found["body"], linear)
    assert torch.equal(found["relu:1"], linear.relu())
    assert torch.equal(found["relu:2"], (linear.relu() + 0.5 - 1).relu())
    assert torch.equal(found["head"], net(batch())) and torch.equal(found["logits"], net(batch()))


def test_an_in_place_first_layer_does_not_change_the_input_tap():
    images = batch()
    found = activations(nn.Sequential(nn.ReLU(inplace=True)), images.clone(), ["input", "0"])
    assert torch.equal(found["input"], images) and torch.equal(found["0"], images.relu())


def test_activations_carry_no_gradient():
    found = activations(Reusing(), batch().requires_grad_(), ["input", "head", "logits"])
    assert not any(t.requires_grad for t in found.values())


def test_evaluation_mode_holds_inside_and_every_flag_comes_back():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.9), nn.Linear(3, 2)).train()
    net[0].eval()
    mean = net[0].running_mean.clone()
    found = activations(net, batch(), ["1"])
    torch.testing.assert_close(found["1"], batch() / (1 + 1e-5) ** 0.5)
    assert [m.training for m in net.modules()] == [True, False, True, True]
    assert torch.equal(net[0].running_mean, mean)
    assert hooks(net) == 0


def test_an_error_in_the_network_leaves_no_hook_and_no_changed_flag():
    net = Reusing().train()
    with pytest.raises(RuntimeError):
        activations(net, torch.zeros(2, 99), ["head"])
    assert hooks(net) == 0 and all(m.training for m in net.modules())


@pytest.mark.parametrize(
    ("name", "hint"),
    [("haed", "'head'"), ("relu", "'relu:1'"), ("relu:3", "'relu:2'"), ("unused", "Known"), ("pair", "Known")],
)
def test_names_that_are_no_tap_are_refused_with_the_nearest(name, hint):
    net = Reusing()
    with pytest.raises(PrunescopeError, match=f"unknown tap '{name}'.*{hint}"):
        activations(net, batch(), [name])
    assert hooks(net) == 0


def test_logits_that_are_no_tensor_are_refused_only_when_asked_for():
    net = nn.Sequential(nn.Linear(3, 2), Told())
    assert activations(net, batch(), ["0"])["0"].shape == (5, 2)
    with pytest.raises(PrunescopeError, match="does not return logits; expected a tensor, got dict"):
        activations(net, batch(), ["logits"])


def test_a_stream_equals_the_whole_and_leaves_the_network_alone_between_batches():
    net = Reusing().train()
    stream = stream_activations(net, batch(7).split(3), ["relu:2", "logits"])
    parts = []
    for part in stream:
        assert net.training and hooks(net) == 0
        parts.append(part)
    whole = activations(net, batch(7), ["relu:2", "logits"])
    for name in whole:
        torch.testing.assert_close(torch.cat([p[name] for p in parts]), whole[name])
