"""Procedural frost: plates of ridged noise with the colour and contrast of frosted window panes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from prunescope.data.shifts.color import grey
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.resampling import sample

PLATES = 5


class _Look(NamedTuple):
    cell: float
    """pixels between the seeds of the coarsest crystals"""
    warp: float
    """how far growth bends them [pixels]"""
    haze: float
    """brightness of the thin ice between them"""
    color: tuple[float, float, float]


_LOOKS = (
    _Look(14, 5, 0.25, (0.72, 0.85, 1.0)),
    _Look(20, 8, 0.15, (0.62, 0.78, 1.0)),
    _Look(10, 4, 0.40, (0.88, 0.94, 1.0)),
    _Look(16, 7, 0.20, (0.80, 0.88, 1.0)),
    _Look(12, 6, 0.30, (0.95, 0.97, 1.0)),
)


@cache
def frost_plates(size: int, channels: int, device: torch.device) -> Tensor:
    """Return the plates ``[channels, 5, side, side]`` in [0, 1] from which crops of ``size`` pixels are taken.

    The side is four times the size, at least 160 pixels; structures keep their size in pixels. The plates are
    part of the definition: the same for every seed.
    """
    side = max(160, 4 * size)
    plates = torch.cat([_plate(number, look, side) for number, look in enumerate(_LOOKS)])
    return (plates if channels == 3 else grey(plates)).transpose(0, 1).contiguous().to(device)


def _plate(number: int, look: _Look, side: int) -> Tensor:
    """Return one plate ``[1, 3, side, side]``."""
    draws = Draws.of_images(0, {"frost plate": number}, first_index=0, count=1)
    grid = torch.arange(side, dtype=torch.float32)
    rows, columns = grid[:, None].expand(1, side, side), grid.expand(1, side, side)
    rows = rows + (_noise(draws, "bend rows", rows, columns, 3 * look.cell) - 0.5) * (4 * look.warp)
    columns = columns + (_noise(draws, "bend columns", rows, columns, 3 * look.cell) - 0.5) * (4 * look.warp)
    crystals, weight = torch.zeros(1, side, side), 0.5
    for octave in range(4):
        # Each octave is stretched along another diagonal: crossing needles rather than round cells.
        along, across = (rows + columns, columns - rows) if octave % 2 else (columns - rows, rows + columns)
        cell = look.cell * 0.55**octave
        needle = 1 - (_noise(draws, f"octave {octave}", along * 0.4, across, cell) * 2 - 1).abs()
        crystals = crystals + needle * needle * needle * weight
        weight *= 0.75
    cover = _noise(draws, "cover", rows, columns, 3 * look.cell)
    ice = (crystals * (0.35 + cover) + look.haze * cover).clamp(0, 1)
    tinted = torch.tensor(look.color).reshape(1, 3, 1, 1)
    return ice[:, None] * (tinted + (1 - tinted) * ice[:, None])


def _noise(draws: Draws, purpose: str, rows: Tensor, columns: Tensor, cell: float) -> Tensor:
    """Return smooth noise in [0, 1]: uniform values on a lattice of ``cell`` pixels, interpolated in between."""
    count = 2 + int(2 * rows.shape[-1] / cell)
    lattice = draws.uniform((1, count, count), purpose)
    return sample(lattice, _smooth(rows * (1 / cell)), _smooth(columns * (1 / cell)), "mirror")[:, 0]


def _smooth(places: Tensor) -> Tensor:
    """Bend the way between lattice points so that linear interpolation has no kinks: ``3 t² − 2 t³``."""
    whole = places.floor()
    t = places - whole
    return whole + t * t * (3 - 2 * t)
