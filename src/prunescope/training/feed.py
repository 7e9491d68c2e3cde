"""Feed: training data on the device, in a seeded order, augmented in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from prunescope.core.seeds import derived_seed
from prunescope.data import Augmentation, Dataset, Normalization
from prunescope.training.objectives import Batch

KEPT = 2**22  # pixels of all images that are kept normalised, 16 MB


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Training data as the loop reads it.

    Args:
        data: images and labels, on the device.
        batch: images in a batch.
        normalization: of network inputs.
        augment: applied to the whole batch in this order.
        views: how often each image of a batch is augmented on its own, see :class:`Batch`.
        shuffle: a new seeded order each epoch, or the order of the data.
    """

    data: Dataset
    batch: int
    normalization: Normalization
    augment: Sequence[Augmentation] = ()
    views: int = 1
    shuffle: bool = True

    @property
    def per_epoch(self) -> int:
        """Number of steps in an epoch; the last batch may be smaller."""
        return math.ceil(len(self.data) / self.batch)

    @torch.no_grad()
    def layout(self, net: nn.Module) -> torch.memory_format:
        """Put the network into channels-last, in which convolutions are faster, if it can take that (``view`` cannot).

        Returns:
            How images must lie in memory for it, see :meth:`laid_out`.
        """
        images = self.normalization(self.data.images[:2])
        if images.ndim != 4 or not any(parameter.ndim == 4 for parameter in net.parameters()):
            return torch.contiguous_format
        for layout in (torch.channels_last, torch.contiguous_format):
            net.to(memory_format=layout)  # type: ignore[call-overload]
            try:
                net(self.laid_out(images, layout))
            except RuntimeError:
                continue
            return layout
        return torch.contiguous_format

    def laid_out(self, images: Tensor, layout: torch.memory_format) -> Tensor:
        """Return the images in that layout."""
        return images.contiguous(memory_format=layout)

    def batches(self, seed: int, epoch: int, *, start: int = 0, count: int | None = None) -> Iterator[Batch]:
        """Yield ``count`` batches of one epoch in its seeded order, from batch ``start`` on."""
        order, generator = self.order(seed, epoch)
        for number, indices in enumerate(torch.split(order, self.batch)[: None if count is None else start + count]):
            seen = indices if self.views == 1 else indices.repeat(self.views)
            images = self._augmented(indices, generator) if self.augment else self.shown(seen)
            if number >= start:
                yield Batch(images, self.data.labels[seen])

    def shown(self, indices: Tensor) -> Tensor:
        """Return images as a network gets them, not augmented."""
        if self._normalized is not None:
            return self._normalized[indices]
        return self.normalization(self.data.images[indices])

    @cached_property
    def _normalized(self) -> Tensor | None:
        """All images as a network gets them, where they are few enough to keep."""
        few = self.data.images.numel() <= KEPT
        return self.normalization(self.data.images) if few else None

    def order(self, seed: int, epoch: int) -> tuple[Tensor, torch.Generator]:
        """Return the images' order in an epoch and the generator which then augments them."""
        generator = torch.Generator().manual_seed(derived_seed(seed, "order", epoch))
        n = len(self.data)
        order = torch.randperm(n, generator=generator) if self.shuffle else torch.arange(n)
        return order.to(self.data.images.device), generator

    def _augmented(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        views = []
        for _ in range(self.views):
            images = self.data.images[indices]
            for augment in self.augment:
                images = augment(images, generator)
            views.append(images)
        return self.normalization(torch.cat(views))
