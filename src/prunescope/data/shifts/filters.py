"""Linear filters of images, one torch operation a tap, in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Border = Literal["nearest", "reflect", "mirror"]
"""What lies outside, by scipy's names: ``a a|abcd|d d``, ``b a|abcd|d c``, ``c b|abcd|c b``."""

# The taps dropped change a result by less than a thirtieth of an 8-bit level.
NEGLIGIBLE = 1e-4


def border_index(size: int, before: int, after: int, border: Border) -> NDArray[np.int64]:
    """Return the row inside the image that stands for each of the rows ``−before … size + after − 1``."""
    rows = np.arange(-before, size + after)
    if border == "nearest":
        return rows.clip(0, size - 1)
    if border == "reflect":
        rows = rows % (2 * size)
        return np.minimum(rows, 2 * size - 1 - rows)
    rows = rows % (2 * size - 2)
    return np.minimum(rows, 2 * size - 2 - rows)


def extend(images: Tensor, margins: tuple[int, int, int, int], border: Border) -> Tensor:
    """Return the images with a margin (top, bottom, left, right)."""
    top, bottom, left, right = margins
    if not any(margins):
        return images
    height, width = images.shape[-2:]
    if images.dtype == torch.float32 and border == "nearest":
        return F.pad(images, (left, right, top, bottom), mode="replicate")
    if images.dtype == torch.float32 and border == "mirror" and max(margins) < min(height, width):
        return F.pad(images, (left, right, top, bottom), mode="reflect")
    if top or bottom:
        images = _extend_rows(images, top, bottom, border)
    if left or right:
        # Rows are copied whole, so columns are added as rows of the transposed images.
        images = _extend_rows(images.transpose(-1, -2).contiguous(), left, right, border).transpose(-1, -2)
    return images


def _extend_rows(images: Tensor, before: int, after: int, border: Border) -> Tensor:
    rows = torch.from_numpy(border_index(images.shape[-2], before, after, border))
    return images.index_select(-2, rows.to(images.device))


@cache
def gaussian_kernel(sigma: float, truncate: float = 4.0) -> tuple[float, ...]:
    """Return the centre and the right half of a sampled Gaussian of sum 1, cut at ``truncate`` σ as scipy does."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return (1.0,)
    taps = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return tuple(float(tap) for tap in taps / (taps[0] + 2 * taps[1:].sum()))


def gaussian_blur(images: Tensor, sigma: float, *, truncate: float = 4.0, border: Border = "nearest") -> Tensor:
    """Return the images filtered with a Gaussian of width σ [pixels] along both axes."""
    half_kernel = gaussian_kernel(sigma, truncate)
    radius, width = len(half_kernel) - 1, images.shape[-1]
    tall = _convolve(extend(images, (radius, radius, 0, 0), border), half_kernel, width)
    wide = _convolve(extend(tall[..., : images.shape[-2], :], (0, 0, radius, radius), border), half_kernel, 1)
    return wide[..., :width].contiguous()


def _convolve(padded: Tensor, half_kernel: Sequence[float], step: int) -> Tensor:
    """Filter with a symmetric kernel, given by its centre and right half, whose taps lie ``step`` values apart.

    Memory is one long row, which is fastest; only places whose window stays within an image mean anything.
    """
    radius, flat = len(half_kernel) - 1, padded.contiguous().view(-1)
    result = torch.empty_like(flat)
    count = len(flat) - 2 * radius * step
    total, pair = result[:count], flat.new_empty(count)
    torch.mul(flat[radius * step :][:count], half_kernel[0], out=total)
    for k in range(1, radius + 1):
        torch.add(flat[(radius - k) * step :][:count], flat[(radius + k) * step :][:count], out=pair)
        total.add_(pair.mul_(half_kernel[k]))
    return result.view(padded.shape)


def correlate(images: Tensor, kernel: NDArray[np.float64], border: Border) -> Tensor:
    """Return the correlation with a kernel of odd sides: ``y[i, j] = Σ kernel[a, b] x[i + a − A, j + b − B]``."""
    top, left = (side // 2 for side in kernel.shape)
    height, width = images.shape[-2:]
    padded = extend(images, (top, top, left, left), border)
    row, flat = padded.shape[-1], padded.contiguous().view(-1)
    count = len(flat) - 2 * (top * row + left)
    result = torch.zeros_like(flat)
    total, part = result[:count], flat.new_empty(count)
    # Values of equal weight are added first and multiplied once, in one long row as above.
    for weight in np.unique(kernel[np.abs(kernel) > NEGLIGIBLE]):
        starts = [int(y * row + x) for y, x in np.argwhere(kernel == weight)]
        part.copy_(flat[starts[0] :][:count])
        for start in starts[1:]:
            part.add_(flat[start:][:count])
        total.add_(part.mul_(float(weight)))
    return result.view(padded.shape)[..., :height, :width]


@cache
def disk_kernel(radius: float, alias_sigma: float) -> NDArray[np.float64]:
    """Return a disk of sum 1 on a 17 × 17 grid, smoothed by a 3 × 3 Gaussian, without its empty margin."""
    grid = np.arange(-8, 9)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float64)
    taps = np.exp(-0.5 * (np.arange(-1, 2) / alias_sigma) ** 2)
    for axis in (0, 1):
        disk = np.apply_along_axis(np.convolve, axis, disk, taps / taps.sum(), "same")
    # Rounding makes the weights of mirror images equal to the last bit.
    disk = np.round(disk / disk.sum(), 12)
    reach = int(np.abs(np.argwhere(disk > NEGLIGIBLE) - 8).max())
    return np.asarray(disk[8 - reach : 9 + reach, 8 - reach : 9 + reach])
