"""Outlines of 8-bit planes: Canny edges, distance to them, histogram equalisation; planes are ``[n, 1, h, w]``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from prunescope.data.shifts.filters import extend


def canny(planes: Tensor, low: int, high: int) -> Tensor:
    """Return the edges of planes of whole numbers, bool ``[n, 1, h, w]``.

    Sobel gradients with repeated borders; strength ``|gx| + |gy|``; of the pixels above ``low`` the ridges: stronger
    than both neighbours along the gradient, whose direction is one of four (bounds 22.5° and 67.5°; straight
    ahead, a tie goes to the earlier pixel); of the ridges those linked to one above ``high``.

    Source: Canny, A computational approach to edge detection, PAMI 8 (1986), in OpenCV's integer form.
    """
    padded = extend(planes, (1, 1, 1, 1), "nearest")
    column = padded[..., :-2, :] + padded[..., 1:-1, :] * 2 + padded[..., 2:, :]
    row = padded[..., :-2] + padded[..., 1:-1] * 2 + padded[..., 2:]
    across, down = column[..., 2:] - column[..., :-2], row[..., 2:, :] - row[..., :-2, :]
    strength = across.abs() + down.abs()
    ridge = _is_ridge(strength, across, down) & (strength > low)
    edges = ridge & (strength > high)
    while True:
        grown = _dilate(edges) & ridge
        if torch.equal(grown, edges):
            return edges
        edges = grown


def _is_ridge(strength: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Suppress what is not a maximum along the gradient; nothing lies outside the plane."""
    height, width = strength.shape[-2:]
    padded = F.pad(strength, (1, 1, 1, 1))

    def neighbour(y: int, x: int) -> Tensor:
        return padded[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width]

    # tan 22.5° is 13573 in OpenCV's 15-bit fixed point, and tan 67.5° is that plus 2.
    level = across.abs().int()
    wide, tall = level * 13573, down.abs().int() << 15
    flat = tall < wide
    steep = tall > wide + (level << 16)
    falling = (across < 0) != (down < 0)
    sideways = (strength > neighbour(0, -1)) & (strength >= neighbour(0, 1))
    upright = (strength > neighbour(-1, 0)) & (strength >= neighbour(1, 0))
    slash = (strength > neighbour(-1, 1)) & (strength > neighbour(1, -1))
    backslash = (strength > neighbour(-1, -1)) & (strength > neighbour(1, 1))
    slanted = (falling & slash) | (~falling & backslash)
    return (flat & sideways) | (~flat & ((steep & upright) | (~steep & slanted)))


def _dilate(mask: Tensor) -> Tensor:
    """Add the eight neighbours."""
    wide = mask.clone()
    wide[..., 1:] |= mask[..., :-1]
    wide[..., :-1] |= mask[..., 1:]
    tall = wide.clone()
    tall[..., 1:, :] |= wide[..., :-1, :]
    tall[..., :-1, :] |= wide[..., 1:, :]
    return tall


def distance(edges: Tensor, farthest: int) -> Tensor:
    """Return the Euclidean distance of each pixel to the nearest edge [pixels], at most ``farthest``.

    Exact: along the rows by steps of 1, 2, 4, …, which add up to any distance; then over the rows within reach,
    ``d² = min_k (k² + g²(row + k))``.
    """
    height, width = edges.shape[-2:]
    row = (~edges).to(torch.float32).mul_(farthest)
    step = 1
    while step < min(farthest, width):
        lifted = row + step
        torch.minimum(row[..., step:], lifted[..., :-step], out=row[..., step:])
        torch.minimum(row[..., :-step], lifted[..., step:], out=row[..., :-step])
        step *= 2
    squared = row.mul_(row)
    nearest, lifted = squared.clone(), torch.empty_like(squared)
    for step in range(1, min(farthest, height)):
        torch.add(squared, step * step, out=lifted)
        torch.minimum(nearest[..., step:, :], lifted[..., :-step, :], out=nearest[..., step:, :])
        torch.minimum(nearest[..., :-step, :], lifted[..., step:, :], out=nearest[..., :-step, :])
    return nearest.sqrt_().clamp_(max=farthest)


def equalize(planes: Tensor, highest: int) -> Tensor:
    """Return planes of whole numbers ``0 … highest`` with their histogram made even over 0 … 255.

    Level v becomes ``round(255 · #{lowest < x ≤ v} / #{x > lowest})``; a plane of one level stays as it is.
    """
    n, pixels = len(planes), planes.shape[-2] * planes.shape[-1]
    entry = planes.reshape(n, -1).long() + torch.arange(n, device=planes.device)[:, None] * (highest + 1)
    histogram = torch.bincount(entry.flatten(), minlength=n * (highest + 1)).reshape(n, -1)
    below = histogram.cumsum(1)
    lowest = torch.where(below > 0, below, pixels).amin(1, keepdim=True)
    scale = torch.full_like(lowest, 255.0, dtype=torch.float32) / (pixels - lowest).clamp_(min=1)
    table = torch.round((below - lowest).clamp_(min=0).to(torch.float32) * scale)
    levels = torch.arange(highest + 1, device=planes.device, dtype=torch.float32)
    table = torch.where(lowest == pixels, levels, table)
    return table.flatten().index_select(0, entry.flatten()).reshape(planes.shape)
