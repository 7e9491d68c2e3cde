"""Sight: the images an audit looks at, and how networks see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Normalization, given_data, resolve_source
from prunescope.data.given import Given
from prunescope.study.artefacts import read_splits
from prunescope.study.node import Node, make_node
from prunescope.study.store import Artefact, Store

SPLIT = "test"
Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Labelled images with their data node.

    Attributes:
        node: of the images; its artefact is written when the audit begins.
        data: the images.
        normalization: of network inputs; without one they are the images in [0, 1].
        told: where the images come from, for people.
    """

    node: Node
    data: Dataset
    normalization: Normalization
    told: str

    @property
    def about(self) -> dict[str, Any]:
        """What every network is told of the data."""
        return {
            "classes": list(self.data.classes),
            "image_shape": list(self.data.shape),
            "normalization": self.normalization.canonical(complete=True),
        }

    def widened(self, outputs: int) -> Sight:
        """Return the sight with as many classes as a network has outputs, where nobody named the classes."""
        counted = self.data.classes == tuple(str(k) for k in range(len(self.data.classes)))
        if not counted or outputs <= len(self.data.classes):
            return self
        return replace(self, data=self.data.named([str(k) for k in range(outputs)]))

    def write(self, store: Store) -> None:
        """Write the images if they are not in the store."""
        if not store.has("data", self.node.key):
            tensors = {f"{SPLIT}/images": self.data.images, f"{SPLIT}/labels": self.data.labels}
            artefact = Artefact(tensors=tensors, content=self.about)
            store.write("data", self.node.key, self.node.spec, artefact, seconds=0.0, device="cpu")


def look(
    data: Any,
    store: Store,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: int | None = None,
    limit: int | None = None,
    classes: Sequence[str] | None = None,
) -> Sight:
    """Return the images of an audit, from the store if they are there.

    Args:
        data: what ``resolve_source`` or ``given_data`` reads; of a source the test split.
        store: may hold them from an earlier audit.
        mean: by channel, of images in [0, 1].
        std: the same.
        resize: side of the square that images are scaled and cropped to.
        limit: at most so many examples, each class in proportion.
        classes: names in the order of the networks' outputs.

    Raises:
        PrunescopeError: for data that cannot be read, or a normalisation that does not fit its channels.
    """
    named = isinstance(data, (str, Path))
    source = resolve_source(str(data)) if named else Given(data=given_data(data))
    if limit is not None and limit < 1:
        raise PrunescopeError("too few images", expected="≥ 1", got=limit, where="limit")
    normalization = _normalization(mean, std)
    options: Options = {
        "resize": resize,
        "limit": limit,
        "classes": None if classes is None else list(classes),
        "normalize": None if normalization is None else normalization.canonical(complete=True),
    }
    identity = {"source": dict(source.identity()), "split": SPLIT, **options}
    node = make_node("data", identity, identity, {}, artefact="data")
    if store.has("data", node.key):
        seen = read_splits(store, node.key, torch.device("cpu"))[SPLIT]
    else:
        seen = source.select(SPLIT, resize=resize, limit=limit)
        seen = seen if classes is None else seen.named(classes)
    channels = seen.shape[0]
    normalization = normalization or Normalization(mean=(0.0,) * channels, std=(1.0,) * channels)
    normalization(seen.images[:1])
    told = f"{data if named else 'data in memory'}, {len(seen)} images"
    return Sight(node=node, data=seen, normalization=normalization, told=told)


def _normalization(mean: Sequence[float] | None, std: Sequence[float] | None) -> Normalization | None:
    if (mean is None) != (std is None):
        got = "mean without std" if std is None else "std without mean"
        raise PrunescopeError("a normalisation needs both", expected="mean and std", got=got)
    if mean is None or std is None:
        return None
    try:
        return Normalization(mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    except ValueError as error:
        if isinstance(error, PrunescopeError):
            raise
        expected, got = "one number each by channel, std above 0", f"mean {list(mean)}, std {list(std)}"
        raise PrunescopeError("cannot normalise by these", expected=expected, got=got) from None
