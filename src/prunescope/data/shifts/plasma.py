"""The plasma fractal: a cloudy random field by midpoint displacement."""

from __future__ import annotations

import torch
from torch import Tensor

from prunescope.data.shifts.draws import Draws


def plasma(draws: Draws, size: int, decay: float) -> Tensor:
    """Return periodic fields ``[n, side, side]`` over [0, 1], side the power of two that holds ``size``.

    Diamond-square: from one corner at 0, each centre and then each edge midpoint becomes the mean of its four
    neighbours plus ``U[−a², a²]``, where a falls from 100 by the factor ``decay`` at each halving of the step.

    Source: Fournier, Fussell, Carpenter, Computer rendering of stochastic models, CACM 25 (1982).
    """
    side = 1 << (size - 1).bit_length()
    wobble = draws.uniform((side, side), "plasma").mul_(2).sub_(1)
    field = torch.zeros_like(wobble)
    step, amplitude = side, 100.0
    while step >= 2:
        half, strength = step // 2, amplitude * amplitude

        def displace(neighbours: Tensor, rows: int, columns: int, step: int = step, strength: float = strength) -> None:
            grid = (slice(None), slice(rows, None, step), slice(columns, None, step))
            field[grid] = neighbours * 0.25 + wobble[grid] * strength

        corner = field[:, ::step, ::step]
        pair = corner + corner.roll(-1, 1)
        displace(pair + pair.roll(-1, 2), half, half)
        centre = field[:, half::step, half::step]
        displace((centre + centre.roll(1, 1)) + (corner + corner.roll(-1, 2)), 0, half)
        displace((centre + centre.roll(1, 2)) + (corner + corner.roll(-1, 1)), half, 0)
        step, amplitude = half, amplitude / decay
    field -= field.amin((1, 2), keepdim=True)
    return field / field.amax((1, 2), keepdim=True)
