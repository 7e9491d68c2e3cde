"""Augmentations that move pixels: a random affine map, and a random window enlarged to the whole image."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.data.augment import AUGMENTATIONS, Augmentation

_TRIES = 10


@AUGMENTATIONS.register("affine")
class Affine(Augmentation):
    """Turn each image about its centre and move it by whole pixels; every pixel takes the nearest value, or black.

    Attributes:
        degrees: the angle is uniform between −degrees and degrees.
        shift: the move is uniform between −shift and shift, as a share of each side, rounded to whole pixels.

    Source: the CIFAR-10 augmentation of Ansuini et al., Investigating Similarity Metrics for Convolutional Neural
    Networks in the Case of Unstructured Pruning, ICPRAM 2020 (15 degrees, shift 0.1).
    """

    degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    shift: Annotated[float, Field(ge=0, le=1)] = 0.1

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the moved images."""
        n, channels, height, width = images.shape
        draws = (2 * torch.rand(n, 3, generator=generator) - 1).to(images.device)
        angle = draws[:, 0] * math.radians(self.degrees)
        down, right = (draws[:, i] * self.shift * side for i, side in ((1, height), (2, width)))
        y = torch.arange(height, device=images.device) - (height - 1) / 2
        x = torch.arange(width, device=images.device) - (width - 1) / 2
        y = y.view(1, -1, 1) - down.round().view(-1, 1, 1)
        x = x.view(1, 1, -1) - right.round().view(-1, 1, 1)
        sine, cosine = angle.sin().view(-1, 1, 1), angle.cos().view(-1, 1, 1)
        rows = (cosine * y + sine * x + height / 2).floor().long()
        columns = (cosine * x - sine * y + width / 2).floor().long()
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        places = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).view(n, 1, -1)
        moved = images.flatten(2).gather(2, places.expand(-1, channels, -1)).view(images.shape)
        return moved * inside.unsqueeze(1)


@AUGMENTATIONS.register("resized_crop")
class ResizedCrop(Augmentation):
    """Cut a random window from each image and enlarge it to the old size by bilinear interpolation.

    The window's share of the area is uniform in ``scale`` and the logarithm of its ratio of width to height in the
    logarithm of ``ratio``; of ten draws the first that fits is taken, else the whole image.

    Attributes:
        scale: smallest and largest share of the area.
        ratio: smallest and largest width over height.

    Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6; in contrastive learning: Chen et
    al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020 (scale 0.2 to 1).
    """

    scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] = (0.2, 1.0)
    ratio: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _rising(self) -> ResizedCrop:
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if low > high:
                raise PrunescopeError(f"{name} is not a range", expected="smallest, largest", got=(low, high))
        return self

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the enlarged windows."""
        n, _, height, width = images.shape
        sizes = self._sizes(n, height, width, generator)
        free = torch.tensor([height, width]) - sizes + 1
        corners = (torch.rand(n, 2, generator=generator) * free).floor()
        rows, columns = (
            _weights(corners[:, axis], sizes[:, axis], side).to(images.device)
            for axis, side in enumerate((height, width))
        )
        enlarged = rows.unsqueeze(1) @ images.float() @ columns.unsqueeze(1).transpose(2, 3)
        return enlarged.round_().to(images.dtype) if images.dtype == torch.uint8 else enlarged.to(images.dtype)

    def _sizes(self, n: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Return heights and widths of windows, whole numbers ``[n, 2]``."""
        share, place = torch.rand(2, n, _TRIES, generator=generator, dtype=torch.float64)
        area = (self.scale[0] + (self.scale[1] - self.scale[0]) * share) * height * width
        low, high = (math.log(bound) for bound in self.ratio)
        ratio = torch.exp(low + (high - low) * place)
        sizes = torch.stack([(area / ratio).sqrt().round(), (area * ratio).sqrt().round()], dim=-1)
        whole = torch.tensor([height, width], dtype=torch.float64).expand(n, 1, 2)
        fits = ((sizes >= 1) & (sizes <= whole)).all(-1)
        first = torch.cat([fits, torch.ones(n, 1, dtype=torch.bool)], dim=1).int().argmax(1)
        return torch.cat([sizes, whole], dim=1)[torch.arange(n), first]


def _weights(start: Tensor, size: Tensor, side: int) -> Tensor:
    """Return, for each image, the matrix ``[n, side, side]`` that stretches ``size`` pixels from ``start`` on.

    Output pixel j lies at ``start + (j + ½) size/side − ½``, held inside the window, and is interpolated between
    the two pixels beside that place.
    """
    places = (torch.arange(side, dtype=torch.float64) + 0.5) * (size / side).unsqueeze(1) - 0.5
    places = start.double().unsqueeze(1) + places.clamp(min=0).minimum((size - 1).unsqueeze(1))
    distance = (places.unsqueeze(2) - torch.arange(side, dtype=torch.float64)).abs()
    return (1 - distance).clamp(min=0).float()
