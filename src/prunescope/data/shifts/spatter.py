"""Spatter of CIFAR-C: drops of water or splashes of mud on the lens."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prunescope.data.shifts.color import tint
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.edges import canny, distance, equalize
from prunescope.data.shifts.filters import correlate, gaussian_blur
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

_WATER, _MUD = (175, 238, 238), (63, 42, 20)
_BOX = np.full((3, 3), 1 / 9)
_EMBOSS = np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
_FARTHEST = 20


class _Splash(NamedTuple):
    mean: float
    deviation: float
    blur: float
    threshold: float
    strength: float
    mud: bool


_SPATTER = (
    _Splash(0.62, 0.1, 0.7, 0.7, 0.5, mud=False),
    _Splash(0.65, 0.1, 0.8, 0.7, 0.5, mud=False),
    _Splash(0.65, 0.3, 1.0, 0.69, 0.5, mud=False),
    _Splash(0.65, 0.1, 0.7, 0.69, 0.6, mud=True),
    _Splash(0.65, 0.1, 0.5, 0.68, 0.6, mud=True),
)


def water(liquid: Tensor) -> Tensor:
    """Return how much light drops reflect, at most 1 in each image, given their depth (0 where there is none).

    Depth × relief, where the relief embosses the equalised distance to the outlines of the drops, in whole 8-bit
    levels. An image without drops gives 0.
    """
    depth = torch.floor(liquid * 255.0).clamp_(0, 255)
    near = distance(canny(depth, low=50, high=150), _FARTHEST)
    # The margin is what float32 may lose of a whole number.
    levels = equalize(torch.floor(correlate(near, _BOX, "mirror") + 2.0**-16), _FARTHEST)
    relief = correlate(levels, _EMBOSS, "mirror").clamp_(0, 255)
    light = depth * torch.round(correlate(relief, _BOX, "mirror"))
    brightest = light.amax((1, 2, 3), keepdim=True)
    return light / brightest.clamp_(min=1)


@SHIFTS.register("spatter")
class Spatter(Shift):
    """Drops of water (severity 1 to 3) or mud (4, 5) where blurred noise exceeds a threshold.

    (mean, sd, blur, threshold, strength) = (.62, .1, .7, .7, .5), (.65, .1, .8, .7, .5), (.65, .3, 1, .69, .5),
    (.65, .1, .7, .69, .6), (.65, .1, .5, .68, .6). Water adds ``strength · w`` of pale turquoise, w the embossed
    relief of the drops; mud replaces the image by brown where its mask, blurred by σ = strength, is at least .8.
    One-channel images take the grey value of the colour.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    departure: ClassVar[str] = "Euclidean distance to the outline of a drop, where OpenCV's is a 2 % approximation"
    chunk: ClassVar[int] = 1 << 20

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the spattered images."""
        splash = _SPATTER[self.severity - 1]
        noise = draws.normal((1, *images.shape[-2:]), "liquid").mul_(splash.deviation).add_(splash.mean)
        liquid = gaussian_blur(noise, splash.blur)
        if not splash.mud:
            drops = water(F.threshold(liquid, splash.threshold, 0.0))
            return images + (drops * splash.strength) * tint(_WATER, images)
        cover = gaussian_blur((liquid > splash.threshold).to(torch.float32), splash.strength)
        cover = F.threshold(cover, 0.8, 0.0)
        return (images * (1 - cover)).add_(cover * tint(_MUD, images))
