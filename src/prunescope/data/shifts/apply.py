"""Applying shifts: chunked, checked, to uint8 or float images, the same bytes for any batch."""

from __future__ import annotations

import operator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.shift import SHIFTS, Shift

Images = TypeVar("Images", Tensor, NDArray[Any])

SMALLEST_SIDE = 4
_KINDS = frozenset({"uint8", "float16", "bfloat16", "float32", "float64"})
# Values that a GPU handles at once.
_WIDE_CHUNK = 1 << 24
# Other devices lack float64 or unsigned integers: for them the processor computes.
_DEVICES = frozenset({"cpu", "cuda"})


def corrupt(images: Images, name: str, severity: int = 3, seed: int = 0) -> Images:
    """Return the images under one of the 19 corruptions of CIFAR-C, in the type they came in.

    The result of image i depends on (seed, name, severity, i, image) alone. uint8 results are rounded to the
    nearest level (the generator of the published files truncates).

    Args:
        images: ``[n, channels, height, width]``, 1 or 3 channels, numpy or torch; float in [0, 1], or uint8.
        name: ``gaussian_noise``, ``shot_noise``, … as ``SHIFTS.names()`` lists them.
        severity: 1 to 5.
        seed: of the random draws.

    Raises:
        PrunescopeError: for another form or range of images, an unknown name, a severity outside 1 … 5, or a
            corruption that images of this kind do not have (saturation of grey images).

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).

    Example:
        >>> import numpy as np
        >>> grey = np.full((2, 1, 8, 8), 0.5, dtype=np.float32)
        >>> float(corrupt(grey, "brightness", severity=5)[0, 0, 0, 0])
        0.800000011920929
    """
    member = SHIFTS.get(name)
    where = f"corrupt {member.member_name}"
    if "severity" not in member.model_fields:
        known = [other for other in SHIFTS.names() if "severity" in SHIFTS.get(other).model_fields]
        raise unknown_name("corruption with severities", name, known)
    level = _integer(severity, "severity", where)
    if not 1 <= level <= 5:
        raise PrunescopeError("severity out of range", expected="1 … 5", got=level, where=where)
    return apply_shift(SHIFTS.build({name: level}), images, seed=seed)


def apply_shift(shift: Shift, images: Images, *, seed: int, first_index: int = 0) -> Images:
    """Return the images under a shift, in the type they came in; unclipped noise makes float32 of uint8.

    The result of an image depends on (seed, shift, its index, the image) alone: a data set may be streamed in
    batches of any size if ``first_index`` counts on. uint8 images give the same bytes whatever the batch, the number
    of threads and, where arithmetic follows IEEE 754, the device.

    Args:
        shift: a member of ``SHIFTS``.
        images: ``[n, channels, height, width]``, numpy or torch; float in [0, 1], or uint8.
        seed: of the random draws.
        first_index: index of the first image in its data set.

    Raises:
        PrunescopeError: for another form or range of images, or a shift they cannot have.

    Example:
        >>> images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
        >>> noise = SHIFTS.build({"gaussian_noise": 5})
        >>> whole = apply_shift(noise, images, seed=1)
        >>> bool((apply_shift(noise, images[3:], seed=1, first_index=3) == whole[3:]).all())
        True
    """
    where = f"shift {shift.member_name}"
    seed, first_index = _integer(seed, "seed", where), _integer(first_index, "first_index", where)
    if not 0 <= first_index < 2**62:
        raise PrunescopeError("first_index out of range", expected="0 … 2⁶²", got=first_index, where=where)
    if isinstance(images, np.ndarray):
        # torch wants memory in forward order and writable flags; a copy gives both.
        tensor = torch.from_numpy(_checked(images.copy(), shift, where))
        return np.asarray(_in_chunks(shift, tensor, seed, first_index).numpy())
    return _in_chunks(shift, _checked(images, shift, where), seed, first_index)


@torch.no_grad()
def _in_chunks(shift: Shift, images: Tensor, seed: int, first_index: int) -> Tensor:
    """Shift a few images at a time."""
    source = images if images.device.type in _DEVICES else images.cpu()
    to_levels = source.dtype == torch.uint8 and shift.bounded
    kind = source.dtype if to_levels or source.dtype.is_floating_point else torch.float32
    result = torch.empty_like(source, dtype=kind, memory_format=torch.contiguous_format)
    chunk = shift.chunk if source.device.type == "cpu" else _WIDE_CHUNK
    size = max(1, chunk // max(1, source[:1].numel()))
    count, device = len(source), source.device
    draws = Draws.of_images(seed, shift.spec(), first_index=first_index, count=count, device=device)
    for start in range(0, count, size):
        part = source[start : start + size].contiguous()
        shown = part.to(torch.float32)
        shown = shown if part.dtype.is_floating_point else shown.mul_(1 / 255)
        changed = shift(shown, Draws(draws.keys[start : start + size]))
        if to_levels:
            # By way of int16, to which a processor converts three times faster than to uint8.
            changed = (changed * 255.0).round_().clamp_(0, 255).to(torch.int16)
        elif shift.bounded:
            changed = changed.clamp(0, 1)
        result[start : start + size] = changed
    return result.to(images.device)


def _checked(images: Images, shift: Shift, where: str) -> Images:
    """Return the images, or refuse their type, shape, range, or that the shift has no meaning for them."""
    kind = str(getattr(images, "dtype", type(images).__name__)).removeprefix("torch.")
    if kind not in _KINDS:
        raise PrunescopeError("images have the wrong type", expected="uint8, or float in [0, 1]", got=kind, where=where)
    shape = tuple(images.shape)
    if len(shape) != 4 or min(shape[2:]) < SMALLEST_SIDE:
        expected = f"[n, channels, height, width] of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels"
        raise PrunescopeError("images have the wrong shape", expected=expected, got=shape, where=where)
    if shape[1] not in shift.channels:
        expected = " or ".join(map(str, shift.channels)) + " channels"
        remedy = "Grey images have no saturation: leave it out" if shape[1] == 1 else "Channels come second"
        raise PrunescopeError("not defined for these images", expected=expected, got=shape, where=where, remedy=remedy)
    if kind == "uint8":
        return images
    # A comparison with NaN is false, so this refuses NaN too.
    if shape[0] and not bool(((images >= 0) & (images <= 1)).all()):
        low, high = float(images.min()), float(images.max())
        remedy = "Divide 8-bit values by 255, undo a normalisation, or give uint8"
        got = f"values from {low:.6g} to {high:.6g}" if low == low else "NaN"
        raise PrunescopeError("values out of range", expected="0 … 1", got=got, where=where, remedy=remedy)
    return images


def _integer(value: object, name: str, where: str) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise PrunescopeError(f"{name} is not an integer", got=repr(value), where=where) from None
