"""Feed: training data on the device, in a seeded order, augmented in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from prunescope.core.seeds import derived_seed
from prunescope.data import Augmentation, Dataset, Normalization
from prunescope.training.objectives import Batch


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Training data as the loop reads it."""

    data: Dataset
    batch: int
    normalization: Normalization
    augment: Sequence[Augmentation] = ()

    @property
    def per_epoch(self) -> int:
        """Number of steps in an epoch; the last batch may be smaller."""
        return math.ceil(len(self.data) / self.batch)

    def batches(self, seed: int, epoch: int, *, start: int = 0, count: int | None = None) -> Iterator[Batch]:
        """Yield ``count`` batches of one epoch in its seeded order, from batch ``start`` on."""
        generator = torch.Generator().manual_seed(derived_seed(seed, "order", epoch))
        order = torch.randperm(len(self.data), generator=generator).to(self.data.images.device)
        for number, indices in enumerate(torch.split(order, self.batch)[: None if count is None else start + count]):
            images = self.data.images[indices]
            for augment in self.augment:
                images = augment(images, generator)
            if number >= start:
                yield Batch(self.normalization(images), self.data.labels[indices])
