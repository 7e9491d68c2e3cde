"""Multiply-adds of a network, counted from its mask and one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.mask import Mask, prunable


def multiply_adds(net: nn.Module, image_shape: tuple[int, int, int], mask: Mask | None = None) -> dict[str, int]:
    r"""Return the multiply-adds of each Conv and Linear layer for one image.

    $\text{multiply-adds}_l = \text{kept weights}_l \times \text{positions}_l$, where positions is how often one
    weight is used: the output positions of a convolution (the input positions of a transposed one), the rows that a
    linear layer is applied to. One multiply-add is two floating-point operations. Biases, normalisation, activations
    and products of activations with each other are not counted.

    Args:
        net: any module; it is not changed.
        image_shape: ``(channels, height, width)``.
        mask: of the kept weights; tensors it does not cover count as whole. Without it the dense count.

    Returns:
        Count by name of the weight.

    Raises:
        PrunescopeError: for a network that cannot take such an image, or a layer that the forward pass never calls
            (its weight may be used behind the layer's back), and as :func:`prunescope.pruning.prunable`.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.Flatten(), nn.Linear(72, 10))
        >>> multiply_adds(net, (3, 7, 7))
        {'0.weight': 1944, '2.weight': 720}
    """
    uses = positions(net, image_shape)
    kept = {name: weight.numel() for name, weight in prunable(net).items()}
    return kept_multiply_adds(uses, kept, mask)


def kept_multiply_adds(uses: Mapping[str, int], sizes: Mapping[str, int], mask: Mask | None) -> dict[str, int]:
    """Return kept weights times positions; a tensor without a mask counts with all its ``sizes``."""
    kept = {} if mask is None else {name: count for name, (count, _) in mask.counts().items()}
    return {name: kept.get(name, sizes[name]) * count for name, count in uses.items()}


@torch.no_grad()
def positions(net: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return how often each weight of a Conv or Linear layer is used for one image, by name of the weight tensor."""
    weights = prunable(net)
    layers = {name: net.get_submodule(name.rpartition(".")[0]) for name in weights}
    found = dict.fromkeys(layers, 0)
    training = [module for module in net.modules() if module.training]
    hooks = [layer.register_forward_hook(_counting(found, name)) for name, layer in layers.items()]
    example = next(iter(weights.values()))
    try:
        net.eval()(torch.zeros(1, *image_shape, dtype=example.dtype, device=example.device))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("the network cannot take such an image", expected=image_shape, got=told) from None
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    silent = [name for name, count in found.items() if not count]
    if silent:
        raise PrunescopeError("a layer is never called by the forward pass", got=", ".join(silent[:5]))
    return found


def _counting(found: dict[str, int], name: str) -> Callable[[Any, tuple[Tensor, ...], Tensor], None]:
    def count(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            found[name] += output.numel() // layer.out_features
        elif isinstance(layer, nn.modules.conv._ConvTransposeNd):
            found[name] += inputs[0].numel() // layer.in_channels
        else:
            found[name] += output.numel() // layer.out_channels

    return count
