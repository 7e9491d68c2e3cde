"""The contract of an inference: what one look of a network at a view leaves as evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from prunescope.core.registry import Member, Registry
from prunescope.data import Dataset, Normalization


def unwatched(share: float) -> None:
    """Watch nothing."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A network and the images of a view.

    Args:
        net: trained and masked, on ``device``, in evaluation mode.
        images: uint8 ``[n, c, h, w]``, before the shift.
        labels: true labels ``[n]``.
        normalization: of the inputs.
        device: where the network runs.
        change: the view's shift, called with a uint8 batch, the index of its first image and the number of the draw;
            None without one.
        split: returns a split of the data as it is, such as ``train``.
        origin: the split that the images come from, and the index in it of each image ``[n]``.
        batch: images at once.
        watch: told now and then which share of the images has gone through.
    """

    net: nn.Module
    images: Tensor
    labels: Tensor
    normalization: Normalization
    device: torch.device
    change: Callable[[Tensor, int, int], Tensor] | None = None
    split: Callable[[str], Dataset]
    origin: tuple[str, Tensor]
    batch: int = 128
    watch: Callable[[float], None] = unwatched

    def batches(self, draw: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield the index of the first image and the network inputs, batch by batch, so that shifted views stream.

        Draw 0 is the view itself; others show the same images under other random numbers of its shift.
        """
        for start in range(0, len(self.images), self.batch):
            self.watch(start / len(self.images))
            part = self.images[start : start + self.batch].to(self.device)
            yield start, self.normalization(part if self.change is None else self.change(part, start, draw))


class Inference(Member, ABC):
    """One file in this folder for each kind of evidence; its fields are all that the result depends on.

    ``splits`` are those it reads besides that of the view.
    """

    splits: ClassVar[tuple[str, ...]] = ()

    def left(self, images: int, classes: int) -> int:
        """Return the bytes of what it leaves, 0 where nobody can tell beforehand."""
        return 0

    def held(self, images: tuple[int, ...], train: tuple[int, ...]) -> int:
        """Return the bytes that it holds beside one batch and what it leaves, from the sizes of view and training."""
        return 0

    @abstractmethod
    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return tensors by name, on the CPU; their order is kept."""


INFERENCES: Registry[Inference] = Registry("inferences")
