"""Wide: a layer of siblings that ``vmap`` batches badly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def widen(net: nn.Module) -> nn.Module:
    """Let the gradient of global average pooling lie in memory as its images do, in place; its numbers stay.

    The gradient that torch makes has another layout, and the layers before it become slower by it.
    """
    for module in net.modules():
        if type(module) is nn.AdaptiveAvgPool2d and module.output_size in (1, (1, 1)):
            module.__class__ = _GlobalPool
    return net


class _GlobalPool(nn.AdaptiveAvgPool2d):
    def forward(self, x: Tensor) -> Tensor:
        return _Mean.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.mean((-2, -1), keepdim=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        [x], [gradient] = ctx.saved_tensors, gradients
        return torch.empty_like(x).copy_(gradient / (x.shape[-2] * x.shape[-1]))

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:
        return _Mean.apply(x.movedim(in_dims[0], 0)), 0  # type: ignore[no-untyped-call]
