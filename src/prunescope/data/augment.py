"""Augmentations: seeded random changes of training images, a whole batch at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from prunescope.core.registry import Member, Registry


class Augmentation(Member, ABC):
    """A random change of training images.

    Draws come from a CPU generator and are moved to the images, so one seed gives one result on every device.
    """

    @abstractmethod
    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return images of the same type and shape ``[n, channels, height, width]``; the argument stays as it is."""


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentations")


@AUGMENTATIONS.register("crop")
class Crop(Augmentation):
    """Add ``padding`` black pixels on every side and cut a window of the old size, at random for each image.

    Attributes:
        padding: pixels; the window moves by at most this many in each direction.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2 (padding 4).
    """

    padding: Annotated[int, Field(ge=1)] = 4

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the windows."""
        n, channels, height, width = images.shape
        offset = torch.randint(2 * self.padding + 1, (n, 2), generator=generator).to(images.device)
        padded = torch.nn.functional.pad(images, (self.padding,) * 4)
        plane, row = padded.shape[2] * padded.shape[3], padded.shape[3]
        planes = torch.arange(n * channels, device=images.device).view(n, channels, 1) * plane
        rows = torch.arange(height, device=images.device) * row
        starts = planes + rows + (offset[:, 0] * row + offset[:, 1]).view(n, 1, 1)
        # Selecting rows, each a run of memory, is several times quicker than indexing windows.
        runs = padded.flatten().unfold(0, width, 1)
        return runs.index_select(0, starts.flatten()).view(images.shape)


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirror each image with probability ½.

    Attributes:
        axis: ``horizontal`` exchanges left and right, ``vertical`` top and bottom.
    """

    axis: Literal["horizontal", "vertical"] = "horizontal"

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images, mirrored or not."""
        n = len(images)
        chosen = torch.randint(2, (n,), generator=generator).to(images.device)
        both = torch.cat([images, images.flip(-1 if self.axis == "horizontal" else -2)])
        return both.index_select(0, torch.arange(n, device=images.device) + n * chosen)
