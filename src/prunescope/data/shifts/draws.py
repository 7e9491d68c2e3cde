"""Random numbers of images: one stream an image, computed from counters, the same in any batch, on any device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from prunescope.core.config import fingerprint

Shape = tuple[int, ...]


def _signed(value: int) -> int:
    """Return the int64 with the low 64 bits of ``value``."""
    return (value + 2**63) % 2**64 - 2**63


_STEP = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


@dataclass(frozen=True)
class Draws:
    """Random numbers of ``n`` images, a pure function of (seed, specification, image index, purpose, position).

    Word ``j`` of a purpose is ``mix(k + (j + 1) γ)`` with ``k = mix(key ⊕ hash(purpose))``, where ``mix`` and ``γ``
    are those of SplitMix64, on int64 that wraps. Asking twice for one purpose gives the same numbers, so a member
    names its draws, and their order does not matter.

    Args:
        keys: int64 ``[n]``, one an image.

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA (2014).

    Example:
        >>> draws = Draws.of_images(0, {"gaussian_noise": {}}, first_index=7, count=2)
        >>> draws.uniform((3, 32, 32), "noise").shape, draws.integers(6, (2,), "dice").shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 2]))
    """

    keys: Tensor

    @staticmethod
    def of_images(
        seed: int, spec: Mapping[str, Any], *, first_index: int, count: int, device: torch.device | str = "cpu"
    ) -> Draws:
        """Return the streams of images ``first_index … first_index + count − 1`` under a shift's specification."""
        root = _signed(int(fingerprint([seed, dict(spec)])[:16], 16))
        index = torch.arange(first_index + 1, first_index + count + 1, device=device)
        return Draws(_mix(index.mul_(_STEP).add_(root)))

    def words(self, count: int, purpose: str) -> Tensor:
        """Return int64 ``[n, count]``, all 64 bits random."""
        key = _mix(self.keys ^ _label(purpose))
        position = torch.arange(1, count + 1, device=key.device).mul_(_STEP)
        return _mix(key[:, None] + position)

    def bits(self, shape: Shape, purpose: str) -> Tensor:
        """Return int32 ``[n, *shape]``, all 32 bits random."""
        total = math.prod(shape)
        halves = self.words(-(-total // 2), purpose).view(torch.int32)
        return halves[:, :total].reshape(-1, *shape)

    def uniform(self, shape: Shape, purpose: str) -> Tensor:
        """Return float32 ``[n, *shape]``, uniform on the multiples of 2⁻²⁴ in [0, 1)."""
        return self.bits(shape, purpose).bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0**-24)

    def integers(self, high: int, shape: Shape, purpose: str) -> Tensor:
        """Return int64 ``[n, *shape]``, uniform on ``0 … high − 1`` (to ``high`` / 2³²)."""
        bits = self.bits(shape, purpose).to(torch.int64).bitwise_and_(0xFFFFFFFF)
        return bits.mul_(high).bitwise_right_shift_(32)

    def choices(self, table: Tensor, shape: Shape, purpose: str) -> Tensor:
        """Return ``[n, *shape]`` entries of a table of 2¹⁶, each equally likely."""
        total = math.prod(shape)
        quarters = self.words(-(-total // 4), purpose).view(torch.uint16)
        entry = quarters[:, :total].to(torch.int32)
        return table.index_select(0, entry.flatten()).reshape(-1, *shape)

    def normal(self, shape: Shape, purpose: str) -> Tensor:
        """Return float32 ``[n, *shape]``, standard normal.

        Each number is one of 2¹⁶ equally likely quantiles, of mean 0 and variance 1, which end at ±4.3: a true normal
        goes beyond once in 65 000 draws. A table needs no logarithm or sine, whose last bits differ between devices.
        """
        return self.choices(_quantiles(self.keys.device), shape, purpose)


def _mix(words: Tensor) -> Tensor:
    """Apply SplitMix64's bijection of 64 bits in place; the masks make torch's arithmetic shifts logical."""
    shifted = torch.bitwise_right_shift(words, 30)
    words.bitwise_xor_(shifted.bitwise_and_((1 << 34) - 1)).mul_(_FIRST)
    torch.bitwise_right_shift(words, 27, out=shifted)
    words.bitwise_xor_(shifted.bitwise_and_((1 << 37) - 1)).mul_(_SECOND)
    torch.bitwise_right_shift(words, 31, out=shifted)
    return words.bitwise_xor_(shifted.bitwise_and_((1 << 33) - 1))


@cache
def _label(purpose: str) -> int:
    return _signed(int(fingerprint(purpose)[:16], 16))


@cache
def _quantiles(device: torch.device) -> Tensor:
    """Return the table of normal quantiles at (i + ½) / 2¹⁶, symmetric, scaled to variance 1."""
    upper = ndtri(0.5 + (np.arange(2**15) + 0.5) / 2**16)
    upper *= np.sqrt(1 / np.mean(upper**2))
    return torch.from_numpy(np.concatenate([-upper[::-1], upper]).astype(np.float32)).to(device)
