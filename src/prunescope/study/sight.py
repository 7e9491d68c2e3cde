"""Sight: the images an audit looks at, and how networks see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Normalization, resolve_source
from prunescope.data.given import Given
from prunescope.study.artefacts import read_splits
from prunescope.study.node import Node, make_node
from prunescope.study.store import Artefact, Store

SPLIT, TRAIN = "test", "train"
Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Labelled images with their data node.

    Attributes:
        node: of the images; its artefact is written when the audit begins.
        data: the images.
        normalization: of network inputs; without one they are the images in [0, 1].
        told: where the images come from, for people.
        read_training: returns the training images of the same source.
        wider: node of the same images and those to train, where something asks for them.
        training: the images to train.
    """

    node: Node
    data: Dataset
    normalization: Normalization
    told: str
    read_training: Callable[[], Dataset] = field(repr=False)
    wider: Node | None = None
    training: Dataset | None = None

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

    def with_training(self, store: Store) -> Sight:
        """Return the sight with the training images too.

        Raises:
            PrunescopeError: for data that has none.
        """
        identity = json.loads(self.node.spec)["parameters"] | {"split": f"{TRAIN}, {SPLIT}"}
        node = make_node("data", identity, identity, {}, artefact="data")
        return replace(self, wider=node, training=None if store.has("data", node.key) else self.read_training())

    def write(self, store: Store) -> None:
        """Write the images that are not in the store."""
        for node, parts in ((self.node, {SPLIT: self.data}), (self.wider, {SPLIT: self.data, TRAIN: self.training})):
            if node is not None and not store.has("data", node.key):
                known = [(name, part) for name, part in parts.items() if part is not None]
                tensors = {f"{name}/images": part.images for name, part in known}
                tensors |= {f"{name}/labels": part.labels for name, part in known}
                artefact = Artefact(tensors=tensors, content=self.about)
                store.write("data", node.key, node.spec, artefact, seconds=0.0, device="cpu")


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
        data: what ``resolve_source`` or ``given_data`` reads, or splits of that by name; looked at is the test split.
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
    source = resolve_source(str(data)) if named else Given.of(data)
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

    def read(split: str, at_most: int | None) -> Dataset:
        part = source.select(split, resize=resize, limit=at_most)
        return part if classes is None else part.named(classes)

    there = store.has("data", node.key)
    seen = read_splits(store, node.key, torch.device("cpu"))[SPLIT] if there else read(SPLIT, limit)
    channels = seen.shape[0]
    normalization = normalization or Normalization(mean=(0.0,) * channels, std=(1.0,) * channels)
    normalization(seen.images[:1])
    told = f"{data if named else 'data in memory'}, {len(seen)} images"
    return Sight(node=node, data=seen, normalization=normalization, told=told, read_training=lambda: read(TRAIN, None))


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
