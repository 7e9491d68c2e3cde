"""Channels taken out of a network for good."""

import torch
from torch import nn

from prunescope.models.resnet import Subsample
from prunescope.pruning.dependency import Placed, placed, removable


def test_placed_shortcuts_give_the_same():
    block = nn.Sequential(Subsample(3, 8))
    x = torch.randn(2, 3, 5, 7)
    assert torch.equal(placed(nn.Sequential(Subsample(3, 8), nn.PReLU(3)))[0](x), block(x))
    assert (
        Placed(torch.tensor([1, -1]))(x).tolist() == torch.stack([x[:, 1, ::2, ::2], 0 * x[:, 0, ::2, ::2]], 1).tolist()
    )


def test_placed_shortcuts_lose_channels_on_either_side():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.short, self.second, self.last = (
                nn.Conv2d(1, 3, 1, bias=False),
                Subsample(3, 5),
                nn.Conv2d(3, 5, 1, stride=2, bias=False),
                nn.Conv2d(5, 2, 1),
            )

        def forward(self, x):
            x = self.first(x)
            return self.last(self.short(x) + self.second(x))

    traced, (three, two) = removable(Shortcut())
    assert (three.size, two.size) == (3, 2)
    assert traced.short.sources.tolist() == [-1, 0, 1, 2, -1]
    assert sorted(three.written) == [("first.weight", [0, 1, 2], [0, 1, 2]), ("second.weight", [1, 2, 3], [0, 1, 2])]
    assert two.written == [("second.weight", [0, 4], [0, 1])]
    two.remove([0])
    assert traced.short.sources.tolist() == [0, 1, 2, -1]
    three.remove([1])
    assert traced.short.sources.tolist() == [0, 1, -1]
    assert traced(torch.zeros(1, 1, 4, 4)).shape == (1, 2, 2, 2)
    shapes = [tuple(layer.weight.shape[:2]) for layer in (traced.first, traced.second, traced.last)]
    assert shapes == [(2, 1), (3, 2), (2, 3)]
