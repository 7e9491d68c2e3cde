"""Resampling of images by linear interpolation: at given places, and by a zoom of their centre."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def fold(coordinates: Tensor, size: int, border: Literal["reflect", "mirror"]) -> Tensor:
    """Return coordinates brought into ``[0, size − 1]`` by reflection at the edges (reflect) or centres (mirror)."""
    half, span = (0.5, size) if border == "reflect" else (0.0, size - 1)
    shifted = coordinates + half
    shifted = shifted - torch.floor(shifted * (0.5 / span)) * (2.0 * span)
    return (span - half - (shifted - span).abs()).clamp_(0, size - 1)


def sample(images: Tensor, rows: Tensor, columns: Tensor, border: Literal["reflect", "mirror"]) -> Tensor:
    """Return the images read at (row, column) by bilinear interpolation.

    Args:
        images: ``[n, channels, height, width]``.
        rows: ``[n, height′, width′]``, in pixels.
        columns: as ``rows``.
        border: how places outside are reflected.
    """
    height, width = images.shape[-2:]
    rows, columns = fold(rows, height, border), fold(columns, width, border)
    top, left = rows.floor(), columns.floor()
    down, right = rows - top, columns - left
    index = (top * width + left).long().add_(image_starts(images)).flatten()
    # One index serves all four neighbours, read from shifted views; those past an edge have weight 0.
    flat = F.pad(images.transpose(0, 1).flatten(1), (0, width + 1))

    def read(shift: int) -> Tensor:
        result = flat.new_empty(len(flat), len(index))
        for values, read_values in zip(flat, result, strict=True):
            torch.index_select(values[shift:], 0, index, out=read_values)
        return result.view(-1, *rows.shape)

    stay = 1 - right
    above = read(0).mul_(stay).add_(read(1).mul_(right))
    below = read(width).mul_(stay).add_(read(width + 1).mul_(right))
    return above.mul_(1 - down).add_(below.mul_(down)).transpose(0, 1)


def image_starts(images: Tensor) -> Tensor:
    """Return where each image starts in a channel of all images, int64 ``[n, 1, 1]``."""
    n, _, height, width = images.shape
    return torch.arange(n, device=images.device).mul_(height * width)[:, None, None]


class ZoomPlan(NamedTuple):
    """How the rows of a clipped zoom arise: a crop of ``crop`` rows from ``top`` on, made ``out``, cut at ``trim``."""

    crop: int
    top: int
    out: int
    trim: int


def zoom_plan(size: int, zoom: float) -> ZoomPlan:
    """Return the plan by which ``size`` rows are zoomed about their centre."""
    crop = math.ceil(size / zoom)
    out = round(crop * zoom)
    return ZoomPlan(crop=crop, top=(size - crop) // 2, out=out, trim=(out - size) // 2)


def zoom_plans(images: Tensor, zoom: float) -> tuple[ZoomPlan, ZoomPlan]:
    """Return the plans of both axes."""
    return zoom_plan(images.shape[-2], zoom), zoom_plan(images.shape[-1], zoom)


def zoom_transposed(images: Tensor, plans: tuple[ZoomPlan, ZoomPlan], factor: float = 1.0) -> Tensor:
    """Return the images zoomed along height and width, times a factor, with the two axes exchanged."""
    return _zoom_rows(_zoom_rows(images, plans[0], 1.0).transpose(-1, -2).contiguous(), plans[1], factor)


def _zoom_rows(images: Tensor, plan: ZoomPlan, factor: float) -> Tensor:
    """Zoom along height: output row j lies at ``top + j (crop − 1) / (out − 1)``."""
    size = images.shape[-2]
    if plan.crop == plan.out:
        return images * factor
    places = torch.arange(plan.trim, plan.trim + size, dtype=torch.float64) * ((plan.crop - 1) / (plan.out - 1))
    first = places.floor().clamp_(max=plan.crop - 2)
    weight = ((places - first)[:, None] * factor).to(torch.float32).to(images.device)
    index = (first.long() + plan.top).to(images.device)
    upper = images.index_select(-2, index).mul_(factor - weight)
    return upper.add_(images.index_select(-2, index + 1).mul_(weight))
