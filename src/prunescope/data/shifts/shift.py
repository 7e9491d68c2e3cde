"""The contract of a shift: a seeded change of images."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from prunescope.core.registry import Member, Registry


class Shift(Member, ABC):
    """A seeded change of images that leaves their number, size and labels as they are.

    The caller converts uint8 to float and back; a member sees float ``[n, channels, height, width]`` in [0, 1]
    and returns the same shape. ``generators`` holds one generator an image, so that the result of an image does
    not depend on its batch.
    """

    @abstractmethod
    def __call__(self, images: Tensor, generators: list[torch.Generator]) -> Tensor:
        """Return the changed images."""


SHIFTS: Registry[Shift] = Registry("shifts")
