"""Dataset: images as one uint8 tensor; Source, what can be loaded; View, data as a study sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images of one split.

    Args:
        images: uint8 ``[n, channels, height, width]``.
        labels: int64 ``[n]``, each in ``range(len(classes))``.
        classes: class names.

    Raises:
        PrunescopeError: for other types, lengths that differ, or labels without a class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check types, lengths and labels."""
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            got = f"{self.images.dtype} {tuple(self.images.shape)}"
            raise PrunescopeError("images have the wrong form", expected="uint8 [n, channels, height, width]", got=got)
        if self.labels.shape != (len(self.images),):
            raise PrunescopeError(
                "labels do not match the images", expected=len(self.images), got=tuple(self.labels.shape)
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise PrunescopeError(
                "a label has no class", expected=f"0 … {len(self.classes) - 1}", got=int(self.labels.max())
            )

    def __len__(self) -> int:
        return len(self.images)

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


class Source(Member, ABC):
    """Where images come from. One file in ``sources/`` for each kind."""

    @abstractmethod
    def load(self) -> Mapping[str, Dataset]:
        """Return the splits ``train`` and ``test``."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Return plain data that names the content: options, or checksums of files; never a path."""


SOURCES: Registry[Source] = Registry("datasets")
