"""Motion blur: every image smeared along its own direction."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.data.shifts.filters import NEGLIGIBLE, extend

# Values of a block: few enough for a processor's caches.
_BLOCK = 1 << 18


def half_gaussian(radius: int, sigma: float) -> NDArray[np.float64]:
    """Return the weights ``exp(−i² / 2σ²)``, ``i = 0 … 2 radius``, of sum 1, without the negligible tail."""
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    return np.asarray(weights[weights > NEGLIGIBLE])


def offsets(degrees: NDArray[np.float64], taps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixel steps ``(down, right) [taps, n]`` nearest to ``i (sin θ, cos θ)``."""
    steps = np.arange(taps)[:, None]
    theta = np.radians(degrees)
    # Rounding first keeps a sine's last bit from moving a tap by a pixel.
    down, right = (np.ceil(np.round(steps * part(theta), 9) - 0.5).astype(np.int64) for part in (np.sin, np.cos))
    return down, right


def smear(images: Tensor, degrees: Tensor, radius: int, sigma: float) -> Tensor:
    """Return the images averaged along a direction with a half-Gaussian, border pixels repeated.

    ``y[p] = Σᵢ wᵢ x[p + round(i (cos θ, sin θ))]``, as ImageMagick's motion blur.

    Args:
        images: ``[n, channels, height, width]``.
        degrees: θ of each image ``[n]``, 0 to the right, 90 down.
        radius: the kernel has 2 · radius + 1 taps.
        sigma: width of the half-Gaussian [pixels].
    """
    weights = half_gaussian(radius, sigma)
    order = torch.argsort(degrees, stable=True)
    down, right = offsets(degrees[order].cpu().numpy().astype(np.float64), len(weights))
    # Sorted by angle, the images of a block share nearly all steps: a few slices a tap instead of a gather.
    size = max(1, _BLOCK // images[0].numel())
    blocks = [
        _smear_similar(
            images.index_select(0, part), down[:, i * size :][:, :size], right[:, i * size :][:, :size], weights
        )
        for i, part in enumerate(torch.split(order, size))
    ]
    return torch.cat(blocks).index_select(0, torch.argsort(order))


def _smear_similar(
    images: Tensor, down: NDArray[np.int64], right: NDArray[np.int64], weights: NDArray[np.float64]
) -> Tensor:
    """Smear images along steps ``[taps, n]``, of which neighbouring images share many."""
    height, width = images.shape[-2:]
    top, left = max(0, -int(down.min())), max(0, -int(right.min()))
    padded = extend(images, (top, max(0, int(down.max())), left, max(0, int(right.max()))), "nearest")
    # A step is a shift of the image as one long row; what wraps round its edges falls into the margin.
    flat, row = padded.view(len(images), -1), padded.shape[-1]
    shifts = down * row + right
    count = flat.shape[1] - (top * row + left) - int(shifts.max())
    result = torch.empty_like(flat)
    total, part = result[:, :count], flat.new_empty(len(images), count)
    torch.mul(flat[:, top * row + left :][:, :count], float(weights[0]), out=total)
    shifts += top * row + left
    for tap, weight in zip(shifts[1:], weights[1:].tolist(), strict=True):
        turns = (np.flatnonzero(np.diff(tap)) + 1).tolist()
        for first, last, start in zip([0, *turns], [*turns, len(images)], tap[[0, *turns]].tolist(), strict=True):
            torch.mul(flat[first:last, start : start + count], weight, out=part[first:last])
        total.add_(part)
    return result.view(padded.shape)[..., :height, :width]
