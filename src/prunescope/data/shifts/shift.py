"""The contract of a shift: a seeded change of images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from prunescope.core.registry import Member, Registry
from prunescope.data.shifts.draws import Draws

Severity = Annotated[int, Field(strict=True, ge=1, le=5)]


class Shift(Member, ABC):
    """A seeded change of images that leaves their number, size and labels as they are.

    ``apply_shift`` converts uint8 to float and back, cuts the images into chunks, clips, and checks; a member sees
    float32 ``[n, channels, height, width]`` in [0, 1] and returns the same shape, possibly a little outside.

    A member computes the result of an image from that image and its own draws with operations that IEEE 754
    defines to the last bit (``+ − × ÷ √``, comparisons, rounding, gathers, integers), one per torch call, in a fixed
    order; sines, logarithms and the like appear only in tables made beforehand. So neither the batch size nor
    the number of threads can change a byte, and neither can a device that follows IEEE 754.

    Attributes:
        channels: numbers of channels it is defined for.
        departure: how it departs from the published recipe, for the report; empty where it does not.
        chunk: how many values a processor handles at once: as fit its caches, more where a call does many small
            steps. It decides the speed, never the result.
    """

    channels: ClassVar[tuple[int, ...]] = (1, 3)
    departure: ClassVar[str] = ""
    chunk: ClassVar[int] = 1 << 18

    @property
    def bounded(self) -> bool:
        """Whether the result is clipped to [0, 1]; what is not becomes float, for uint8 cannot hold it."""
        return True

    @abstractmethod
    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the changed images; ``draws`` holds one stream of random numbers an image."""


SHIFTS: Registry[Shift] = Registry("shifts")
