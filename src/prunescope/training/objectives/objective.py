"""The contract of a training objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from prunescope.core.registry import Member, Registry


class Batch(NamedTuple):
    """Normalised images ``[n, c, h, w]`` and labels ``[n]``.

    An objective that asks for several views gets them one after another: the images of the first view, then the
    same images in the same order augmented anew, and so on; the labels are repeated.
    """

    images: Tensor
    labels: Tensor


class Objective(Member, ABC):
    """What training makes small: a scalar from a network and a batch.

    ``views`` is how many augmentations of each image it wants in a batch, ``soft`` whether labels may also come as the
    probability of each class ``[n, classes]``.
    """

    views: ClassVar[int] = 1
    soft: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return the loss, a scalar with gradient."""


OBJECTIVES: Registry[Objective] = Registry("objectives")
