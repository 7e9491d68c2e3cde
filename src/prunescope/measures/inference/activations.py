"""Activations of one network on one view: which layers, in which form, how many rows."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import unknown_name
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.models import activations, auxiliary, tap_names
from prunescope.pruning.mask import PRUNABLE
from prunescope.similarity import as_matrix

Layers = Literal["weights", "all"] | tuple[str, ...]
Space = Literal["pool", "samples", "flatten"]


@INFERENCES.register("activations")
class Activations(Inference):
    """Outputs of layers ``{layer: [rows, features]}``, float32, in forward order; the choice is part of every result.

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

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the drawn rows; images go through in batches, so that memory is bounded by the result.

        Raises:
            PrunescopeError: for a layer that is not there, with the nearest names.
        """
        kept: dict[str, Tensor] = {}
        drawn: dict[str, NDArray[np.int64]] = {}
        for start, inputs in seen.batches():
            names = list(kept) or _layers(seen.net, inputs[:1], self.layers)
            for name, values in activations(seen.net, inputs, names).items():
                rows = torch.as_tensor(as_matrix(values, space=self.space))
                positions = len(rows) // len(inputs)
                if name not in drawn:
                    drawn[name] = self._drawn(len(seen.images) * positions)
                    # whole from the start: small parts kept between large ones that are freed would scatter the memory
                    kept[name] = torch.empty(len(drawn[name]), rows.shape[1])
                first, last = np.searchsorted(drawn[name], [start * positions, (start + len(inputs)) * positions])
                wanted = torch.from_numpy(drawn[name][first:last] - start * positions).to(seen.device)
                kept[name][first:last] = rows[wanted]
        return kept

    def _drawn(self, total: int) -> NDArray[np.int64]:
        """Return the ascending indices of the rows that are kept; they depend on their number and the seed alone."""
        if total <= self.rows:
            return np.arange(total)
        return np.sort(np.random.default_rng(self.seed).choice(total, self.rows, replace=False))


def _layers(net: nn.Module, image: Tensor, layers: Layers) -> list[str]:
    taps = tap_names(net, image)
    if layers == "all":
        return taps
    if layers == "weights":
        aside = auxiliary(net)
        weighted = {name for name, layer in net.named_modules() if isinstance(layer, PRUNABLE) and layer not in aside}
        return [name for name in taps if name.partition(":")[0] in weighted]
    for pattern in layers:
        if not any(fnmatchcase(name, pattern) for name in taps):
            raise unknown_name("layer", pattern, taps)
    return [name for name in taps if any(fnmatchcase(name, pattern) for pattern in layers)]
