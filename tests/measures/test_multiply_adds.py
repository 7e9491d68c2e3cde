import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunescope.core.errors import PrunescopeError
from prunescope.measures import multiply_adds
from prunescope.models import MODELS
from prunescope.models.model import build
from prunescope.pruning import Mask, prune


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.shortcut = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        return self.head((self.shortcut(x) + self.grouped(self.grouped(x))).mean(dim=(2, 3)))


NETS = {
    "strided": nn.Sequential(nn.Conv2d(3, 4, 5, stride=3, bias=False), nn.Flatten(), nn.Linear(64, 5)),
    "dilated": nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2, padding=(1, 2)), nn.Flatten(2), nn.Linear(168, 5)),
    "depthwise": nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 2, 1)),
    "transposed": nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2), nn.ConvTranspose2d(4, 4, 2, groups=2)),
    "residual, one layer used twice": Residual(),
    "one-dimensional": nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 5, stride=2), nn.Linear(96, 3)),
}


OURS = [name for name in MODELS.names() if not any(f.is_required() for f in MODELS.get(name).model_fields.values())]


def flops(net, shape):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", NETS)
def test_the_dense_count_is_half_of_torchs_flops(name):
    shape = (3, 14, 14)
    assert 2 * sum(multiply_adds(NETS[name], shape).values()) == flops(NETS[name], shape)


@pytest.mark.parametrize("name", OURS)
def test_the_dense_count_of_every_model_of_ours_is_half_of_torchs_flops(name):
    shape = (3, 32, 32)
    net = build(MODELS.get(name)(), shape, classes=10, seed=0)
    assert 2 * sum(multiply_adds(net, shape).values()) == flops(net, shape)


def test_a_hand_sized_count_from_a_mask():
    net = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.Flatten(), nn.Linear(4, 2))
    kept = torch.tensor([[[[True, False], [False, True]]]])
    assert multiply_adds(net, (1, 3, 3)) == {"0.weight": 4 * 4, "2.weight": 8}
    assert multiply_adds(net, (1, 3, 3), Mask({"0.weight": kept})) == {"0.weight": 2 * 4, "2.weight": 8}


def test_masked_counts_are_what_the_survivors_would_cost_one_by_one():
    net, shape = NETS["residual, one layer used twice"], (3, 14, 14)
    mask = prune(net, "random", sparsity=0.7)
    dense, found = multiply_adds(net, shape), multiply_adds(net, shape, mask)
    for name, (kept, total) in mask.counts().items():
        assert found[name] * total == dense[name] * kept


def test_the_network_is_left_as_it_was():
    net = Residual().train()
    net.norm.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    multiply_adds(net, (3, 8, 8))
    assert net.training
    assert net.head.training
    assert not net.norm.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_an_image_that_does_not_fit_is_refused_and_the_network_is_restored():
    net = nn.Sequential(nn.Flatten(), nn.Linear(10, 2)).train()
    with pytest.raises(PrunescopeError, match="cannot take such an image"):
        multiply_adds(net, (1, 3, 3))
    assert net.training
    assert not net[1]._forward_hooks


def test_a_weight_used_behind_its_layers_back_is_refused_not_counted_as_nothing():
    attention = nn.MultiheadAttention(4, 2)

    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.attention(x[0], x[0], x[0])[0])

    with pytest.raises(PrunescopeError, match=r"never called.*attention\.out_proj\.weight"):
        multiply_adds(Hidden(), (1, 3, 4))
