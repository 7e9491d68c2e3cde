"""What sources of files share: checksums, and labelled splits from arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.data.dataset import Dataset

MAX_CLASSES = 100_000

PartT = TypeVar("PartT")


def checksums(files: Iterable[Path]) -> list[str]:
    """Return the SHA-256 of each file, in hexadecimal.

    Raises:
        PrunescopeError: for a file that cannot be read.
    """
    digests = []
    for file in files:
        try:
            with file.open("rb") as stream:
                digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise PrunescopeError("cannot be read", got=error.strerror, where=str(file)) from None
    return digests


def with_test(splits: Mapping[str, PartT]) -> dict[str, PartT]:
    """Return ``train`` and ``test`` of the splits there are; ``validation`` stands in for a missing test split."""
    chosen = {"train": splits.get("train"), "test": splits.get("test", splits.get("validation"))}
    return {name: split for name, split in chosen.items() if split is not None}


def labelled(
    parts: Mapping[str, tuple[Tensor, NDArray[Any]]], classes: tuple[str, ...] | None, where: str
) -> dict[str, Dataset]:
    """Return the splits as data sets of one image size and one set of classes.

    Args:
        parts: ``{split: (images uint8 [n, c, h, w], labels [n])}``.
        classes: names, or None for the numbers 0 … largest label of all splits.
        where: named by errors.

    Raises:
        PrunescopeError: for an empty split, sizes that differ, labels that are no class numbers.
    """
    shapes = {split: tuple(images.shape[1:]) for split, (images, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise PrunescopeError("the splits differ in image size", got=shapes, where=where)
    for split, (images, labels) in parts.items():
        place = f"{where}: {split}"
        if not len(images):
            raise PrunescopeError("no images", where=place)
        if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
            got = f"{labels.dtype} {list(labels.shape)}"
            raise PrunescopeError(
                "labels have the wrong form", expected=f"integers [{len(images)}]", got=got, where=place
            )
        limit = MAX_CLASSES if classes is None else len(classes)
        if labels.min() < 0 or labels.max() >= limit:
            outside = int(labels.min() if labels.min() < 0 else labels.max())
            raise PrunescopeError("a label has no class", expected=f"0 … {limit - 1}", got=outside, where=place)
    if classes is None:
        classes = tuple(str(k) for k in range(1 + max(int(labels.max()) for _, labels in parts.values())))
    return {
        split: Dataset(images=images, labels=torch.from_numpy(labels.astype(np.int64)), classes=classes)
        for split, (images, labels) in parts.items()
    }
