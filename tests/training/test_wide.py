import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

from prunescope.training.wide import widen


def test_pooling_is_torchs_and_its_gradient_lies_in_memory_as_the_images_do():
    """For each of several networks at once and for channels-last images, whose gradient torch lays out otherwise."""
    images = torch.randn(3, 5, 4, 2, 2, dtype=torch.float64).permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    weights = torch.randn(3, 7, 4, dtype=torch.float64)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7, bias=False).double())
    wide = widen(copy.deepcopy(net))

    def loss(net, weight, seen):
        return functional_call(net, {"2.weight": weight}, (seen,)).square().sum()

    together, alone = images.clone().requires_grad_(), images.clone().requires_grad_()
    losses = vmap(lambda weight, seen: loss(wide, weight, seen))(weights, together)
    losses.sum().backward()
    expected = torch.stack([loss(net, *pair) for pair in zip(weights, alone, strict=True)])
    expected.sum().backward()
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(together.grad, alone.grad, rtol=1e-12, atol=0)

    direct = images[0].requires_grad_()
    pooled = wide[0](direct)
    assert torch.equal(pooled, net[0](direct.detach()))
    [gradient] = torch.autograd.grad(pooled.sum(), direct)
    assert gradient.stride() == direct.stride()


def test_other_pools_stay_as_they_are():
    net = widen(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.AvgPool2d(2)))
    assert [type(module) for module in net] == [nn.AdaptiveAvgPool2d, nn.AvgPool2d]
