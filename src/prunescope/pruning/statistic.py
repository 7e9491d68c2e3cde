"""The contract of a statistic: what a criterion takes from data, whatever its budget and its seed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from prunescope.core.registry import Member, Registry
from prunescope.pruning.mask import Mask


class Statistic(Member, ABC):
    """Computed once of one network under one mask, and shared by all criteria, levels and draws that ask for it.

    Its fields are all that it depends on besides network, mask and sample.
    """

    @abstractmethod
    def __call__(self, net: nn.Module, mask: Mask, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return tensors by name; the network is not changed."""


STATISTICS: Registry[Statistic] = Registry("statistics")
