"""Weather: snow, frost, fog and brightness of CIFAR-C."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from prunescope.data.shifts.color import brighten, grey
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.frost_texture import PLATES, frost_plates
from prunescope.data.shifts.motion import smear
from prunescope.data.shifts.plasma import plasma
from prunescope.data.shifts.resampling import zoom_plans, zoom_transposed
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

_FROST = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
_FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
_BRIGHTNESS = (0.05, 0.10, 0.15, 0.20, 0.30)


class _Snowfall(NamedTuple):
    mean: float
    deviation: float
    zoom: float
    threshold: float
    radius: int
    sigma: float
    mix: float


_SNOW = (
    _Snowfall(0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
    _Snowfall(0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
    _Snowfall(0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    _Snowfall(0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    _Snowfall(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)


@SHIFTS.register("snow")
class Snow(Shift):
    """Flakes (thresholded noise, zoomed, smeared along U[−135°, −45°]) over a whitened image.

    ``m x + (1 − m) max(x, 1.5 grey(x) + .5) + L + rot180(L)`` with (mean, sd, zoom, threshold, radius, σ, m) =
    (.1, .2, 1, .6, 8, 3, .95), (.1, .2, 1, .5, 10, 4, .9), (.15, .3, 1.75, .55, 10, 4, .9),
    (.25, .3, 2.25, .6, 12, 6, .85), (.3, .3, 1.25, .65, 14, 12, .8). The layer L is kept in floating point, where
    the published generator rounds it to 8 bits before and after the smear.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    chunk: ClassVar[int] = 1 << 20

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the snowy images."""
        fall = _SNOW[self.severity - 1]
        noise = draws.normal((1, *images.shape[-2:]), "flakes").mul_(fall.deviation).add_(fall.mean)
        flakes = zoom_transposed(noise, zoom_plans(noise, fall.zoom)).transpose(-1, -2)
        flakes = F.threshold(flakes, fall.threshold, 0.0).clamp_(0, 1)
        layer = smear(flakes, draws.uniform((), "angle").mul_(90).sub_(135), fall.radius, fall.sigma)
        white = torch.maximum(images, grey(images).mul(1.5).add_(0.5)).mul_(1 - fall.mix)
        return (images * fall.mix).add_(white).add_(layer).add_(layer.flip(-2, -1))


@SHIFTS.register("frost")
class Frost(Shift):
    """``a x + b F``: the image seen through a procedural frost texture F, a random crop of one of five plates.

    (a, b) = (1, .2), (1, .3), (.9, .4), (.85, .4), (.75, .45). The published recipe crops photographs of frosted
    windows, which this package does not carry: its plates are made of ridged noise with their colour and
    contrast, so results are comparable with one another, not with published frost errors.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    departure: ClassVar[str] = "procedural frost texture instead of photographs"

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the frosted images."""
        image_weight, frost_weight = _FROST[self.severity - 1]
        channels, height, width = images.shape[1:]
        plates = frost_plates(max(height, width), channels, images.device)
        side = plates.shape[-1]
        plate = draws.integers(PLATES, (1, 1), "plate")
        top = draws.integers(side - height, (1, 1), "top")
        left = draws.integers(side - width, (1, 1), "left")
        rows = (plate * side + top + torch.arange(height, device=images.device)[:, None]) * side
        crop = rows + (left + torch.arange(width, device=images.device))
        frost = plates.flatten(1).index_select(1, crop.flatten()).reshape(-1, *crop.shape).transpose(0, 1)
        return (images * image_weight).add_(frost.mul_(frost_weight))


@SHIFTS.register("fog")
class Fog(Shift):
    """``(x + s P) · max x / (max x + s)`` with a plasma fractal P in [0, 1] whose roughness decays by d an octave.

    (s, d) = (.2, 3), (.5, 3), (.75, 2.5), (1, 2), (1.5, 1.75); the maximum is over the image.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    chunk: ClassVar[int] = 1 << 20

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the foggy images."""
        strength, decay = _FOG[self.severity - 1]
        height, width = images.shape[-2:]
        brightest = images.amax((1, 2, 3), keepdim=True)
        veil = plasma(draws, max(height, width), decay)[:, None, :height, :width] * strength
        return (images + veil).mul_(brightest / (brightest + strength))


@SHIFTS.register("brightness")
class Brightness(Shift):
    """HSV value raised by .05, .10, .15, .20, .30, hue and saturation kept; a grey image is its own value.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the brighter images."""
        return brighten(images, _BRIGHTNESS[self.severity - 1])
