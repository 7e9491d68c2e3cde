"""Activations of one network on one view: which layers, in which form, how many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.config import Config
from prunescope.core.errors import unknown_name
from prunescope.data import Normalization
from prunescope.models import activations, tap_names
from prunescope.pruning import prunable
from prunescope.similarity import as_matrix

Layers = Literal["weights", "all"] | tuple[str, ...]
Space = Literal["pool", "samples", "flatten"]


class Tapping(Config):
    """What is kept of a network's activations; the choice is part of every result made from them.

    Attributes:
        layers: ``weights`` (outputs of Conv and Linear layers), ``all`` taps, or names and patterns of taps.
        space: what becomes of the positions of a feature map: ``pool`` (their mean), ``samples`` (each position an
            example, channels the variables) or ``flatten`` (each position a variable).
        rows: at most so many examples a layer, drawn without replacement; the same ones in every network.
        seed: of that draw.
    """

    layers: Layers = "weights"
    space: Space = "pool"
    rows: Annotated[int, Field(ge=2)] = 10_000
    seed: Annotated[int, Field(ge=0)] = 0


def infer_activations(
    net: nn.Module,
    images: Tensor,
    normalization: Normalization,
    tapping: Tapping,
    *,
    device: torch.device,
    batch: int = 500,
    change: Callable[[Tensor, int], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return ``{layer: [rows, features]}`` float32 on the CPU, in forward order.

    Images go through batch by batch and only the drawn rows are kept, so memory is bounded by the result.

    Args:
        net: the network.
        images: uint8 ``[n, c, h, w]``.
        normalization: of the inputs.
        tapping: what is kept.
        device: where the network runs.
        batch: images at once.
        change: a shift, called with a uint8 batch and the index of its first image.

    Raises:
        PrunescopeError: for a layer that is not there, with the nearest names.
    """
    net = net.to(device)
    names = _layers(net, normalization(images[:1].to(device)), tapping.layers)
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
    for start, part in _batches(images, batch):
        shown = part.to(device) if change is None else change(part.to(device), start)
        for name, values in activations(net, normalization(shown), names).items():
            rows = as_matrix(values, space=tapping.space)
            positions = len(rows) // len(part)
            drawn = _drawn(len(images) * positions, tapping)
            first, last = np.searchsorted(drawn, [start * positions, (start + len(part)) * positions])
            wanted = torch.from_numpy(drawn[first:last] - start * positions).to(device)
            kept[name].append(torch.as_tensor(rows)[wanted].float().cpu())
    return {name: torch.cat(parts) for name, parts in kept.items()}


def _layers(net: nn.Module, image: Tensor, layers: Layers) -> list[str]:
    taps = tap_names(net, image)
    if layers == "all":
        return taps
    if layers == "weights":
        weighted = {name.removesuffix(".weight") for name in prunable(net)}
        return [name for name in taps if name.partition(":")[0] in weighted]
    for pattern in layers:
        if not any(fnmatchcase(name, pattern) for name in taps):
            raise unknown_name("layer", pattern, taps)
    return [name for name in taps if any(fnmatchcase(name, pattern) for pattern in layers)]


def _batches(images: Tensor, batch: int) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(images), batch):
        yield start, images[start : start + batch]


def _drawn(total: int, tapping: Tapping) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the ascending indices of the rows that are kept; they depend on their number and the seed alone."""
    if total <= tapping.rows:
        return np.arange(total)
    return np.sort(np.random.default_rng(tapping.seed).choice(total, tapping.rows, replace=False))
