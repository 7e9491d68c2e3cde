"""Probes: what the nearest training images of each layer would answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import unknown_name
from prunescope.data import Normalization
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.measures.neighbours import knn_predictions
from prunescope.models import activations, tap_names
from prunescope.models.taps import INPUT, LOGITS
from prunescope.pruning import prunable

ProbeLayers = Literal["blocks"] | tuple[str, ...]
MOST_BYTES = 2**29


@INFERENCES.register("probes")
class Probes(Inference):
    """Majority vote of the ``k`` nearest training images at each probe, ``{probe: classes [n]}``, input first.

    The references are all training images as they are, without augmentation; features are the means over positions,
    of the input all pixels. A view of the training images leaves each image out of its own neighbours. Layers are
    searched a few at a time, so that their features stay within half a gigabyte where one layer alone does.

    Attributes:
        k: neighbours.
        layers: ``blocks`` (modules made of several layers, or the Conv and Linear layers where there are none), or
            names and patterns of taps. Input and logits are always probed.
    """

    splits: ClassVar[tuple[str, ...]] = ("train",)

    k: Annotated[int, Field(ge=1)] = 30
    layers: ProbeLayers = "blocks"

    def held(self, images: tuple[int, ...], train: tuple[int, ...]) -> int:
        """Return those of all pixels as numbers, of view and training images, and of the features in a portion."""
        return 4 * (images[0] + train[0]) * prod(train[1:]) + MOST_BYTES

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the votes.

        Raises:
            PrunescopeError: for a layer that is not there, or k above the number of training images.
        """
        train = seen.split("train")
        shown = replace(seen, images=train.images, labels=train.labels, change=None)
        split, positions = seen.origin
        own, labels = positions.cpu().numpy() if split == "train" else None, train.labels.cpu().numpy()
        votes = {}
        if own is None and seen.change is None:
            votes[INPUT] = _pixel_votes(seen.images, train.images, train.labels, seen.normalization, self.k)
        for names in self._portions(shown, set(votes)):
            references, queries = _features(shown, names), _features(seen, names)
            for name in names:
                found = knn_predictions(queries.pop(name), references.pop(name), labels, self.k, own=own)
                votes[name] = torch.from_numpy(found.astype(np.int16))
        return votes

    def _portions(self, seen: Seen, known: set[str]) -> Iterator[list[str]]:
        """Yield the unknown probes in forward order, as many at a time as there is room for their features."""
        _, inputs = next(seen.batches())
        names = [name for name in (INPUT, *self._layers(seen.net, inputs[:1]), LOGITS) if name not in known]
        widths = {name: rows.shape[1] for name, rows in _pooled(seen.net, inputs[:1], names).items()}
        portion: list[str] = []
        for name in names:
            if portion and 4 * len(seen.images) * sum(widths[n] for n in (*portion, name)) > MOST_BYTES:
                yield portion
                portion = []
            portion.append(name)
        yield portion

    def _layers(self, net: nn.Module, image: Tensor) -> list[str]:
        taps = tap_names(net, image)
        if self.layers != "blocks":
            for pattern in self.layers:
                if not any(fnmatchcase(name, pattern) for name in taps):
                    raise unknown_name("layer", pattern, taps)
            return [name for name in taps if any(fnmatchcase(name, pattern) for pattern in self.layers)]
        modules = dict(net.named_modules())
        blocks = [name for name in taps if any(True for _ in modules[name.partition(":")[0]].children())]
        weighted = {name.removesuffix(".weight") for name in prunable(net)}
        return blocks or [name for name in taps if name.partition(":")[0] in weighted][:-1]


@lru_cache(maxsize=1)  # tensors are told apart by identity; the same images come back with every network of a study
def _pixel_votes(images: Tensor, references: Tensor, labels: Tensor, normalization: Normalization, k: int) -> Tensor:
    """Return the votes on the input, which are the same for all networks: a population searches once."""
    queries, known = (normalization(part).flatten(1) for part in (images, references))
    return torch.from_numpy(knn_predictions(queries, known, labels.cpu().numpy(), k).astype(np.int16))


def _features(seen: Seen, names: list[str]) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}
    for start, inputs in seen.batches():
        for name, rows in _pooled(seen.net, inputs, names).items():
            whole = kept.setdefault(name, rows.new_empty(len(seen.images), rows.shape[1]))
            whole[start : start + len(rows)] = rows
    return kept


def _pooled(net: nn.Module, inputs: Tensor, names: list[str]) -> dict[str, Tensor]:
    """Return ``[n, features]`` by probe: means over positions, the input as it is."""
    found = activations(net, inputs, names)
    return {
        name: (values.flatten(1) if name == INPUT or values.ndim < 3 else values.flatten(2).mean(dim=2)).float()
        for name, values in found.items()
    }
