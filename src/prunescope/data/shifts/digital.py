"""Digital corruptions of CIFAR-C: contrast, saturation, JPEG compression, pixelation, elastic deformation."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.data.shifts.color import saturate
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.filters import gaussian_blur
from prunescope.data.shifts.jpeg import jpeg
from prunescope.data.shifts.resampling import sample
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
_SATURATE = ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2))
_QUALITY = (80, 65, 58, 50, 40)
_PIXELATE = (0.95, 0.9, 0.85, 0.75, 0.65)
_ELASTIC = ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))


@SHIFTS.register("contrast")
class Contrast(Shift):
    """``c (x − x̄) + x̄`` with the mean x̄ of each channel of the image, c = .75, .5, .4, .3, .15.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the paler images."""
        # In float64 the sum of up to 2²⁰ 8-bit values is exact, hence the same in any order.
        total = images.sum((-2, -1), keepdim=True, dtype=torch.float64)
        mean = (total * (1 / (images.shape[-2] * images.shape[-1]))).to(torch.float32)
        return (images - mean).mul_(_CONTRAST[self.severity - 1]).add_(mean)


@SHIFTS.register("saturate")
class Saturate(Shift):
    """HSV saturation ``s ↦ clip(a s + b)``, (a, b) = (.3, 0), (.1, 0), (1.5, 0), (2, .1), (2.5, .2).

    Severities 1 and 2 take colour away, 3 to 5 add it, so they are not ordered by strength. With b > 0 grey pixels
    turn red, hue 0. Images of one channel have no saturation and are refused: left as they are they would pass for
    robustness.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    channels: ClassVar[tuple[int, ...]] = (3,)

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the images with changed saturation."""
        return saturate(images, *_SATURATE[self.severity - 1])


@SHIFTS.register("jpeg")
class Jpeg(Shift):
    """Baseline JPEG at quality 80, 65, 58, 50, 40, chroma halved, to the byte as libjpeg-turbo (and so Pillow).

    Float images are rounded to 8 bits first.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    chunk: ClassVar[int] = 1 << 20

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the decoded images."""
        levels = torch.round(images * 255.0).to(torch.int32)
        return jpeg(levels, _QUALITY[self.severity - 1]).to(torch.float32).mul_(1 / 255)


@SHIFTS.register("pixelate")
class Pixelate(Shift):
    """Resize to ``⌊c · side⌋`` and back with Pillow's box filter, c = .95, .9, .85, .75, .65.

    The means stay in floating point; Pillow's rounding to 8 bits after each of its four passes moves them by at
    most one level.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the coarser images."""
        share = _PIXELATE[self.severity - 1]
        rows, columns = (_boxes(side, share) for side in images.shape[-2:])
        tall = _average_rows(images, rows).transpose(-1, -2).contiguous()
        coarse = _average_rows(tall, columns)
        wide = coarse.index_select(-2, torch.from_numpy(columns.repeat).to(images.device))
        rows_back = torch.from_numpy(rows.repeat).to(images.device)
        return wide.transpose(-1, -2).contiguous().index_select(-2, rows_back)


class _Boxes(NamedTuple):
    """Which rows a box averages (``number`` from ``first`` on), and which box each row is filled from again."""

    first: NDArray[np.int64]
    number: NDArray[np.int64]
    repeat: NDArray[np.int64]


def _boxes(size: int, share: float) -> _Boxes:
    """Return the boxes of ``size`` rows made ``⌊share · size⌋`` and ``size`` again."""
    coarse = int(size * share)
    down, up = _members(size, coarse), _members(coarse, size)
    return _Boxes(down.argmax(1), down.sum(1), up.argmax(1))


def _members(old: int, new: int) -> NDArray[np.bool_]:
    """Return which of the old rows belong to each new one, bool ``[new, old]``: those whose centres its box holds.

    In Pillow's own order of operations, since rounding decides where a centre lies on the edge of a box.
    """
    scale = old / new
    width = max(scale, 1.0)
    row, centre = np.arange(old), ((np.arange(new) + 0.5) * scale)[:, None]
    first, last = (centre - 0.5 * width + 0.5).astype(int), (centre + 0.5 * width + 0.5).astype(int)
    place = (row - centre + 0.5) * (1 / width)
    return np.asarray((row >= first) & (row < last) & (place > -0.5) & (place <= 0.5))


def _average_rows(images: Tensor, boxes: _Boxes) -> Tensor:
    """Return one row a box: the mean of the rows in it."""
    total = images.index_select(-2, torch.from_numpy(boxes.first).to(images.device))
    for step in range(1, int(boxes.number.max())):
        member = (step < boxes.number).astype(np.float32)[:, None]
        row = torch.from_numpy(np.minimum(boxes.first + step, images.shape[-2] - 1))
        extra = images.index_select(-2, row.to(images.device))
        total.add_(extra.mul_(torch.from_numpy(member).to(images.device)))
    return total.mul_(torch.from_numpy((1 / boxes.number).astype(np.float32)[:, None]).to(images.device))


@SHIFTS.register("elastic")
class Elastic(Shift):
    """A random affine map of the plane, then smooth random displacements, both read by bilinear interpolation.

    (α, σ, jitter) = (0, 0, .08), (.05, .2, .07), (.08, .06, .06), (.1, .04, .05), (.1, .03, .03) times the smaller
    side of the image: three points about the centre move by U[−jitter, jitter] in each coordinate and take
    the plane with them; the displacements are α times U[−1, 1] noise filtered with a Gaussian of width σ cut at
    3 σ. The two parts trade places with severity, which therefore is not ordered by distance from the clean image.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    severity: Severity = 3

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the deformed images."""
        height, width = images.shape[-2:]
        alpha, sigma, jitter = (part * min(height, width) for part in _ELASTIC[self.severity - 1])
        moves = draws.uniform((3, 2), "corners").mul_(2).sub_(1).mul_(jitter)
        turned = sample(images, *_affine_places(moves, height, width), "mirror")
        if alpha == 0:
            return turned
        noise = draws.uniform((2, height, width), "field").mul_(2).sub_(1)
        field = gaussian_blur(noise, sigma, truncate=3.0, border="reflect").mul_(alpha)
        rows = torch.arange(height, device=images.device, dtype=torch.float32)[:, None] + field[:, 0]
        columns = torch.arange(width, device=images.device, dtype=torch.float32) + field[:, 1]
        return sample(turned, rows, columns, "reflect")


def _affine_places(moves: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return where each output pixel is read (rows, columns ``[n, h, w]``) when three points move by ``moves``.

    The points (row, column) are the centre plus ``s (1, 1)``, ``s (1, −1)`` and ``s (−1, −1)`` with s a third of
    the smaller side; ``A`` maps old to new places, and a new pixel p is read at ``A⁻¹ (p − q₁) + p₁``.
    """
    reach = min(height, width) // 3
    middle_row, middle_column = height // 2, width // 2
    half = 1 / (2 * reach)
    # Columns of A: the images of the two sides of the right angle at the second point, minus the sides.
    along_row = (moves[:, 1] - moves[:, 2]) * half
    along_column = (moves[:, 0] - moves[:, 1]) * half
    a, b = (along_row[:, 0] + 1)[:, None, None], along_column[:, 0, None, None]
    c, d = along_row[:, 1, None, None], (along_column[:, 1] + 1)[:, None, None]
    determinant = a * d - b * c
    row = torch.arange(height, device=moves.device, dtype=torch.float32)[:, None]
    column = torch.arange(width, device=moves.device, dtype=torch.float32)
    row = row - (moves[:, 1, 0, None, None] + (middle_row + reach))
    column = column - (moves[:, 1, 1, None, None] + (middle_column - reach))
    rows = (d * row - b * column) / determinant + (middle_row + reach)
    columns = (a * column - c * row) / determinant + (middle_column - reach)
    return rows, columns
