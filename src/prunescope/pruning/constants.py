"""Channels that are the same for every image: what they are, and what the layers that read them make of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from prunescope.pruning.channels import Channels
from prunescope.pruning.layer_inputs import layer_of, masked_weights, visit_inputs
from prunescope.pruning.mask import Mask


class Constants(NamedTuple):
    """Which channels are constant wherever they are read, and what each column of a reading weight then sees.

    A channel that a convolution reads beyond the edge, where it is 0, is constant only if it is 0 itself.
    """

    channels: Mask
    inputs: dict[str, Tensor]


def constants(net: nn.Module, mask: Mask, found: Channels, images: Tensor) -> Constants:
    """Return what is constant on a sample of images, in evaluation mode, under ``mask``.

    Cost: one forward pass over the sample.

    Raises:
        PrunescopeError: as :func:`prunescope.pruning.layer_inputs.visit_inputs`.
    """
    ranges: dict[str, tuple[Tensor, Tensor]] = {}

    def see(name: str, inputs: Tensor) -> None:
        seen = inputs.movedim(-1 if isinstance(layer_of(net, name), nn.Linear) else 1, 0).flatten(1)
        low, high = seen.amin(1), seen.amax(1)
        before = ranges.get(name, (low, high))
        ranges[name] = torch.minimum(low, before[0]), torch.maximum(high, before[1])

    visit_inputs(net, masked_weights(net, mask), images, [name for name in found.columns if name in mask], see)
    moving = {n: (low != high) | (low != 0) & _pads(layer_of(net, n)) for n, (low, high) in ranges.items()}
    still = Mask({name: flags == 0 for name, flags in found.largest(moving).items()})
    return Constants(still, {name: low for name, (low, _) in ranges.items()})


def bias_after(layer: nn.Module, weight: Tensor, inputs: Tensor) -> Tensor:
    """Return the bias of a layer plus what ``weight`` makes of inputs ``[columns]`` that are the same everywhere."""
    summed = weight.detach().double().flatten(2).sum(2) if weight.ndim > 2 else weight.detach().double()
    extra, before = summed @ inputs.double(), layer._parameters["bias"]
    return (extra if before is None else before.detach() + extra).to(weight.dtype)


def _pads(layer: nn.Module) -> bool:
    """Return whether the layer reads zeros beyond the edge."""
    if not isinstance(layer, nn.modules.conv._ConvNd) or layer.padding_mode != "zeros":
        return False
    return layer.padding != "valid" if isinstance(layer.padding, str) else any(layer.padding)
