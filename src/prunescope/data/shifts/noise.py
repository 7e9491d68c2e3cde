"""Noise: Gaussian, shot, impulse and speckle noise of CIFAR-C, and additive noise of a given size."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.poisson import poisson
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

_GAUSSIAN = (0.04, 0.06, 0.08, 0.09, 0.10)
_SHOT = (500, 250, 100, 75, 50)
_IMPULSE = (0.01, 0.02, 0.03, 0.05, 0.07)
_SPECKLE = (0.06, 0.10, 0.12, 0.16, 0.20)

Epsilon = Annotated[float, Field(ge=0, le=1)]


@SHIFTS.register("gaussian_noise")
class GaussianNoise(Shift):
    """``x + N(0, σ²)`` for every value, σ = .04, .06, .08, .09, .10.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images."""
        noise = draws.normal(tuple(images.shape[1:]), "noise")
        return noise.mul_(_GAUSSIAN[self.severity - 1]).add_(images)


@SHIFTS.register("shot_noise")
class ShotNoise(Shift):
    """``Poisson(c x) / c`` for every value, c = 500, 250, 100, 75, 50: the noise of counting photons.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images."""
        scale = _SHOT[self.severity - 1]
        return poisson(images, scale, draws).mul_(1 / scale)


@SHIFTS.register("impulse_noise")
class ImpulseNoise(Shift):
    """Salt and pepper: each value becomes 0 or 1, equally often, with probability .01, .02, .03, .05, .07.

    The channels of a pixel are hit independently. Probabilities are rounded to 2⁻¹⁶.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images."""
        table = _impulses(_IMPULSE[self.severity - 1], images.device)
        return draws.choices(table, tuple(images.shape[1:]), "hit").add_(images)


@cache
def _impulses(amount: float, device: torch.device) -> Tensor:
    """Return what is added, each entry equally likely: ±2, which clipping turns into white and black, or nothing."""
    table = torch.zeros(2**16)
    hits = round(amount * 2**16)
    table[: hits // 2], table[hits // 2 : hits] = 2.0, -2.0
    return table.to(device)


@SHIFTS.register("speckle_noise")
class SpeckleNoise(Shift):
    """``x + x · N(0, σ²)`` for every value, σ = .06, .10, .12, .16, .20.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images."""
        noise = draws.normal(tuple(images.shape[1:]), "noise")
        return noise.mul_(_SPECKLE[self.severity - 1]).mul_(images).add_(images)


@SHIFTS.register("uniform_noise")
class UniformNoise(Shift):
    """``x + U[−ε, ε]`` for every value, ε in units of the pixel range [0, 1], standard deviation ε / √3.

    Attributes:
        epsilon: half the width of the noise.
        clip: whether the result is clipped to [0, 1]. Unclipped noise keeps mean and variance at every pixel; its
            result is float, since uint8 cannot hold it.

    Source: Liebenwein et al., Lost in pruning, MLSys (2021), where ε counts standard deviations of the data and
    nothing is clipped.
    """

    epsilon: Epsilon = 0.1
    clip: bool = True

    @property
    def bounded(self) -> bool:
        """Whether the result is clipped to [0, 1]."""
        return self.clip

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images, not yet clipped."""
        noise = draws.uniform(tuple(images.shape[1:]), "noise")
        return noise.sub_(0.5 - 2.0**-25).mul_(2 * self.epsilon).add_(images)


@SHIFTS.register("gaussian_additive_noise")
class GaussianAdditiveNoise(Shift):
    """``x + N(0, ε²)`` for every value, ε in units of the pixel range [0, 1].

    Attributes:
        epsilon: standard deviation of the noise.
        clip: whether the result is clipped to [0, 1]. Unclipped noise keeps mean and variance at every pixel; its
            result is float, since uint8 cannot hold it.

    Source: Liebenwein et al., Lost in pruning, MLSys (2021), for the use; the scale is the plain standard deviation.
    """

    epsilon: Epsilon = 0.1
    clip: bool = True

    @property
    def bounded(self) -> bool:
        """Whether the result is clipped to [0, 1]."""
        return self.clip

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the noisy images, not yet clipped."""
        return draws.normal(tuple(images.shape[1:]), "noise").mul_(self.epsilon).add_(images)
