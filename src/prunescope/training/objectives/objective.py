"""The contract of a training objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from prunescope.core.registry import Member, Registry


class Batch(NamedTuple):
    """Normalised images ``[n, c, h, w]`` and labels ``[n]``."""

    images: Tensor
    labels: Tensor


class Objective(Member, ABC):
    """What training makes small: a scalar from a network and a batch."""

    @abstractmethod
    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return the loss, a scalar with gradient."""


OBJECTIVES: Registry[Objective] = Registry("objectives")
