"""Poisson counts of 8-bit images in constant time: one exact alias table for each of the 256 levels."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from torch import Tensor

from prunescope.data.shifts.draws import Draws, Shape

# Float images made from 8 bits miss their level by rounding only.
_EXACT = 1e-3


class AliasTables(NamedTuple):
    """Alias tables of Poisson laws, one a level, flattened.

    ``keep`` int32 ``[256 · 2^slot_bits]``: a slot gives its own count if the random fraction is below it;
    ``counts`` float32 ``[2 · 256 · 2^slot_bits]``: own and other count of each slot.
    """

    slot_bits: int
    keep: Tensor
    counts: Tensor


def poisson(rates: Tensor, scale: float, draws: Draws) -> Tensor:
    """Return counts with means ``rates · scale``, rates in [0, 1].

    A rate that is a multiple of 1/255 is one look-up in an alias table whose probabilities are multiples of 2⁻³².
    Any other rate adds an independent count for the part above the multiple below it.

    Source: Walker, An efficient method for generating discrete random variables with general distributions,
    ACM Transactions on Mathematical Software 3 (1977).
    """
    shape: Shape = tuple(rates.shape[1:])
    scaled = rates * 255.0
    level = torch.floor(scaled + _EXACT).clamp_(0, 255)
    tables = _alias_tables(scale, rates.device)
    bits = draws.bits(shape, "count")
    slot = bits & ((1 << tables.slot_bits) - 1)
    entry = (level.to(torch.int32) << tables.slot_bits).add_(slot).flatten()
    fraction = bits.bitwise_right_shift_(tables.slot_bits).bitwise_and_((1 << (32 - tables.slot_bits)) - 1).flatten()
    # The sign bit of (keep − 1 − fraction) tells whether the slot's other count is due.
    other = tables.keep.index_select(0, entry).sub_(1).sub_(fraction).bitwise_right_shift_(31)
    counts = tables.counts.index_select(0, entry.mul_(2).sub_(other)).reshape(rates.shape)
    rest = scaled.sub_(level)
    if float(rest.amax()) > _EXACT:
        small = _small_poisson(rest * (scale / 255), draws.uniform(shape, "rest"))
        counts += small * (rest > _EXACT)
    return counts


def _small_poisson(means: Tensor, uniform: Tensor) -> Tensor:
    """Return counts of small means by inversion: the first k whose cumulative probability exceeds ``uniform``."""
    probability = torch.exp(-means)
    cumulative, counts = probability.clone(), torch.zeros_like(means)
    for k in range(1, 40):
        above = uniform >= cumulative
        if not bool(above.any()):
            break
        counts += above
        probability = probability * means * (1 / k)
        cumulative += probability
    return counts


@cache
def _alias_tables(scale: float, device: torch.device) -> AliasTables:
    means = np.arange(256) / 255 * scale
    lowest = np.floor(np.maximum(means - 7 * np.sqrt(means), 0)).astype(np.int64)
    highest = np.ceil(means + 7 * np.sqrt(means) + 8).astype(np.int64)
    slot_bits = math.ceil(math.log2(int((highest - lowest).max()) + 1))
    slots = 2**slot_bits
    keep = np.empty((256, slots), dtype=np.int32)
    counts = np.empty((256, slots, 2), dtype=np.float32)
    for level in range(256):
        window = lowest[level] + np.arange(slots)
        mass = _integer_masses(window, means[level])
        keep[level], alias = _alias(mass, 2 ** (32 - slot_bits))
        counts[level, :, 0], counts[level, :, 1] = window, window[alias]
    return AliasTables(
        slot_bits, torch.from_numpy(keep.ravel()).to(device), torch.from_numpy(counts.ravel()).to(device)
    )


def _integer_masses(counts: NDArray[np.int64], mean: float) -> list[int]:
    """Return Poisson probabilities as integers of sum 2³²; the mode takes what rounding leaves."""
    probability = np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1))
    mass = np.rint(probability * 2.0**32).astype(np.int64)
    mass[mass.argmax()] += 2**32 - mass.sum()
    return [int(part) for part in mass]


def _alias(mass: list[int], capacity: int) -> tuple[list[int], list[int]]:
    """Return what each slot keeps for itself and who takes the rest of it: slots of equal capacity, exactly filled."""
    left = list(mass)
    alias = list(range(len(mass)))
    small = [slot for slot, part in enumerate(left) if part < capacity]
    large = [slot for slot, part in enumerate(left) if part >= capacity]
    while small:
        receiver, giver = small.pop(), large[-1]
        alias[receiver] = giver
        left[giver] -= capacity - left[receiver]
        if left[giver] < capacity:
            small.append(large.pop())
    return [min(part, capacity) for part in left], alias
