"""Dataset: images as one tensor; Source, what can be loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.core.registry import Member, Registry
from prunescope.data.resize import resized
from prunescope.data.subset import stratified_subset

SUBSET_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images of one split, or real inputs with real targets.

    Args:
        images: ``[n, channels, height, width]``, uint8, or float32 in [0, 1] for images that came so; float32, taken
            as they are, where targets are real.
        labels: int64 ``[n]``, each in ``range(len(classes))``; or float32 ``[n]``, targets of a single output.
        classes: class names; the name of the output where targets are real.

    Raises:
        PrunescopeError: for other types, lengths that differ, or labels without a class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check types, lengths and labels."""
        kinds = (torch.float32,) if self.real else (torch.uint8, torch.float32)
        if self.images.dtype not in kinds or self.images.ndim != 4:
            got = f"{self.images.dtype} {tuple(self.images.shape)}"
            expected = f"{' or '.join(str(k).removeprefix('torch.') for k in kinds)} [n, channels, height, width]"
            raise PrunescopeError("images have the wrong form", expected=expected, got=got)
        if self.labels.shape != (len(self.images),):
            raise PrunescopeError(
                "labels do not match the images", expected=len(self.images), got=tuple(self.labels.shape)
            )
        if self.real and len(self.classes) != 1:
            raise PrunescopeError("real targets are those of one output", expected="1 name", got=len(self.classes))
        outside = (self.labels < 0) | (self.labels >= len(self.classes))
        if not self.real and bool(outside.any()):
            worst = int(self.labels[outside].max())
            raise PrunescopeError("a label has no class", expected=f"0 … {len(self.classes) - 1}", got=worst)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def real(self) -> bool:
        """Whether the labels are real targets, not classes."""
        return self.labels.is_floating_point()

    @property
    def strata(self) -> NDArray[np.int64]:
        """What a draw of examples keeps in proportion ``[n]``: the classes; real targets are one."""
        return (torch.zeros_like(self.labels, dtype=torch.int64) if self.real else self.labels).cpu().numpy()

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)`` of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> Dataset:
        """Return the data set with its tensors on ``device``."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def take(self, indices: Tensor) -> Dataset:
        """Return the examples at ``indices``."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def named(self, names: Sequence[str]) -> Dataset:
        """Return the data set with the class names of a network, in the order of its outputs.

        Names that cover this data set's own names reorder the classes; else they stand for the classes in order.

        Raises:
            PrunescopeError: for a name given twice, or fewer names than classes.
        """
        if len(set(names)) < len(names) or len(names) < len(self.classes):
            expected, got = f"at least {len(self.classes)} different ones", f"{len(set(names))} of {len(names)}"
            raise PrunescopeError("class names do not fit the data", expected=expected, got=got)
        if not set(self.classes) <= set(names):
            return replace(self, classes=tuple(names))
        places = torch.tensor([list(names).index(name) for name in self.classes])
        return replace(self, labels=places.to(self.labels.device)[self.labels], classes=tuple(names))


class Outline(NamedTuple):
    """What is known of data before they are read: images by split ``(n, channels, height, width)``, and classes."""

    images: Mapping[str, tuple[int, int, int, int]]
    classes: int


class Source(Member, ABC):
    """Where images come from. One file in ``sources/`` for each kind."""

    @abstractmethod
    def load(self) -> Mapping[str, Dataset]:
        """Return the splits ``train`` and ``test``."""

    def select(self, split: str, *, resize: int | None = None, limit: int | None = None) -> Dataset:
        """Return one split, a stratified part of it, its images resized; sources of files read no more than that.

        Args:
            split: ``train`` or ``test``.
            resize: side of the square that images are scaled and cropped to (:func:`prunescope.data.resized`).
            limit: at most so many examples, each class in proportion.

        Raises:
            PrunescopeError: for a split that is not there.
        """
        splits = self.load()
        if split not in splits:
            raise unknown_name("split", split, splits).at(self.member_name)
        data = splits[split]
        if limit is not None and limit < len(data):
            data = data.take(torch.from_numpy(stratified_subset(data.strata, limit, SUBSET_SEED)))
        return data if resize is None else replace(data, images=resized(data.images, resize))

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Return plain data that names the content: options, or checksums of files; never a path."""

    def outline(self) -> Outline | None:
        """Return the numbers of images and classes where they are known before anything is read."""
        return None

    def rule(self) -> Mapping[str, Any]:
        """Return plain data that tell how the labels came about, where that is known; they go with every network."""
        return {}


SOURCES: Registry[Source] = Registry("datasets")
