"""Colours of images: grey value, saturation, brightness."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
# Below any difference that 8 bits or a screen can show.
_TINY = 2.0**-40


def grey(images: Tensor) -> Tensor:
    """Return the grey value ``0.299 R + 0.587 G + 0.114 B`` as ``[n, 1, h, w]``; grey images as they are."""
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, i : i + 1] * weight for i, weight in enumerate(_LUMA))
    return red.add_(green).add_(blue)


def tint(color: Sequence[float], like: Tensor) -> Tensor:
    """Return an RGB colour of 8-bit values as ``[1, channels, 1, 1]`` in [0, 1], its grey value for one channel."""
    values = torch.tensor(color, dtype=torch.float32).mul_(1 / 255).reshape(1, 3, 1, 1)
    return (values if like.shape[1] == 3 else grey(values)).to(like.device)


def brighten(images: Tensor, amount: float) -> Tensor:
    """Return images with ``amount`` added to the HSV value and hue and saturation kept.

    At fixed hue and saturation a colour is proportional to its value: ``x ↦ x v′ / v``, and black becomes grey.
    """
    value = images.amax(1, keepdim=True)
    brighter = (value + amount).clamp_(0, 1)
    ratio = brighter / value.clamp(min=_TINY)
    return (images * ratio).add_(brighter * _is_zero(value))


def saturate(images: Tensor, factor: float, offset: float) -> Tensor:
    """Return RGB images with HSV saturation ``s ↦ clip(factor · s + offset)`` and hue and value kept.

    At fixed hue and value the distance to the value is proportional to the saturation,
    ``v − x ↦ (v − x) s′ / s``. Grey has no hue; the convention hue = 0 turns it red, as in the published recipe.
    """
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    wanted = (chroma / value.clamp(min=_TINY)).mul_(factor).add_(offset).clamp_(0, 1).mul_(value)
    changed = (images - value).mul_(wanted / chroma.clamp(min=_TINY)).add_(value)
    if offset:
        changed[:, 1:] -= wanted * _is_zero(chroma)
    return changed


def _is_zero(values: Tensor) -> Tensor:
    """Return 1 where a value is 0 and 0 where it is a visible one; arithmetic is faster here than a choice."""
    return 1 - (values * (1 / _TINY)).clamp_(max=1)
