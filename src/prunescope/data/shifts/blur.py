"""Blurs: Gaussian, glass, defocus, motion and zoom blur of CIFAR-C; sizes are pixels."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import torch
from torch import Tensor

from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.filters import correlate, disk_kernel, gaussian_blur
from prunescope.data.shifts.motion import smear
from prunescope.data.shifts.resampling import image_starts, zoom_plans, zoom_transposed
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

_GAUSSIAN = (0.4, 0.6, 0.7, 0.8, 1.0)
_GLASS = ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))
_DEFOCUS = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))
_MOTION = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))
_ZOOM_STEPS = (5, 10, 15, 20, 25)


@SHIFTS.register("gaussian_blur")
class GaussianBlur(Shift):
    """Gaussian filter of width σ = .4, .6, .7, .8, 1, cut at 4 σ, border pixels repeated.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the blurred images."""
        return gaussian_blur(images, _GAUSSIAN[self.severity - 1])


@SHIFTS.register("glass_blur")
class GlassBlur(Shift):
    """Blur, shuffle pixels locally, blur: as through frosted glass.

    (σ, iterations) = (.05, 1), (.25, 1), (.4, 1), (.25, 2), (.4, 2); steps of at most one pixel. The first blur is
    truncated to 8 bits. In an iteration each pixel, from the last to the third row and column, takes the value
    of the pixel 0 or 1 above and 0 or 1 to the left of it. This is what the published files hold: their
    generator writes a swap, but its tuple assignment runs over numpy views, so one half of each swap is lost.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the blurred images."""
        sigma, iterations = _GLASS[self.severity - 1]
        blurred = gaussian_blur(images, sigma)
        # The margin is what float32 may lose; without it whole levels would drop by one.
        shuffled = torch.floor(blurred * 255.0 + 2.0**-13).mul_(1 / 255)
        for i in range(iterations):
            shuffled = _shuffle(shuffled, draws, f"step {i}")
        return gaussian_blur(shuffled, sigma)


def _shuffle(images: Tensor, draws: Draws, purpose: str) -> Tensor:
    """Move pixels by one step: the sources lie above and to the left of what is written, so all move at once."""
    height, width = images.shape[-2:]
    step = draws.integers(4, (height - 2, width - 2), purpose)
    source = image_starts(images) + torch.arange(height * width, device=images.device).reshape(height, width)
    source[:, 2:, 2:] -= (step & 1).add_((step >> 1).mul_(width))
    moved = images.transpose(0, 1).flatten(1).index_select(1, source.flatten())
    return moved.reshape(-1, len(images), height, width).transpose(0, 1)


@SHIFTS.register("defocus_blur")
class DefocusBlur(Shift):
    """Filter with an anti-aliased disk, the image of a point out of focus, mirrored at the border.

    (radius, σ of anti-aliasing) = (.3, .4), (.4, .5), (.5, .6), (1, .2), (1.5, .1). Below radius 1 the disk on the
    pixel grid is a point, and the 3 × 3 anti-aliasing Gaussian is all the blur there is.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the blurred images."""
        return correlate(images, disk_kernel(*_DEFOCUS[self.severity - 1]), "mirror")


@SHIFTS.register("motion_blur")
class MotionBlur(Shift):
    """Half-Gaussian average along a direction drawn from U[−45°, 45°], border pixels repeated.

    (radius, σ) = (6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5); taps at ``round(i (cos θ, sin θ))``, i = 0 … 2 radius.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    chunk: ClassVar[int] = 1 << 20

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the blurred images."""
        degrees = draws.uniform((), "angle").sub_(0.5).mul_(90)
        return smear(images, degrees, *_MOTION[self.severity - 1])


@SHIFTS.register("zoom_blur")
class ZoomBlur(Shift):
    """Mean of the image and its linear zooms about the centre by 1, 1.01, … up to 1.05, 1.10, 1.15, 1.20, 1.25.

    By rounding, the published generator's first two ranges run one step further, to 1.06 and 1.11.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the blurred images."""
        steps = _ZOOM_STEPS[self.severity - 1]
        # On small images many zooms are the same whole-pixel crop and are computed once.
        plans = Counter(zoom_plans(images, 1 + 0.01 * step) for step in range(steps + 1))
        total = images.transpose(-1, -2).contiguous()
        for plan, times in plans.items():
            total.add_(zoom_transposed(images, plan, float(times)))
        return total.mul_(1 / (steps + 2)).transpose(-1, -2)
