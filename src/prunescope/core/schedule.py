"""Durations and schedules: time has a type, a schedule is a function from step to factor."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from prunescope.core.errors import PrunescopeError

Schedule = Callable[[int], float]

_PATTERN = re.compile(r"(?:(\d+)ep)?(?:(\d+)it)?")


@dataclass(frozen=True, kw_only=True)
class Duration:
    """A length of training: whole epochs and/or iterations, written ``15ep``, ``2000it`` or ``3ep50it``.

    Example:
        >>> Duration.parse("3ep50it").steps(per_epoch=100)
        350
    """

    epochs: int = 0
    iterations: int = 0

    @staticmethod
    def parse(text: object) -> Duration:
        """Read ``15ep``, ``2000it`` or ``3ep50it``."""
        if isinstance(text, Duration):
            return text
        match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None or not match.group(0):
            raise PrunescopeError("not a duration", expected="'15ep', '2000it' or '3ep50it'", got=repr(text))
        return Duration(epochs=int(match.group(1) or 0), iterations=int(match.group(2) or 0))

    def steps(self, per_epoch: int) -> int:
        """Return the number of optimiser steps when an epoch has ``per_epoch`` of them."""
        return self.epochs * per_epoch + self.iterations

    def __str__(self) -> str:
        """Write the duration as study files do."""
        epochs = f"{self.epochs}ep" if self.epochs or not self.iterations else ""
        return epochs + (f"{self.iterations}it" if self.iterations else "")


DurationField = Annotated[Duration, PlainValidator(Duration.parse), PlainSerializer(str, return_type=str)]


def constant(value: float = 1.0) -> Schedule:
    """Return the schedule that is ``value`` at every step."""
    return lambda step: value


def piecewise(boundaries: Sequence[int], factor: float) -> Schedule:
    """Return ``factor ** (number of boundaries ≤ step)``.

    Example:
        >>> [round(piecewise([10, 20], 0.1)(t), 2) for t in (9, 10, 20)]
        [1.0, 0.1, 0.01]
    """
    if any(a >= b for a, b in pairwise(boundaries)) or any(b < 0 for b in boundaries):
        raise PrunescopeError("boundaries of a schedule do not increase", got=list(boundaries))
    ordered = tuple(boundaries)
    return lambda step: factor ** sum(step >= boundary for boundary in ordered)


def cosine(total: int, floor: float = 0.0) -> Schedule:
    """Return ``floor + (1 − floor)(1 + cos(π t / total)) / 2``, held at its end afterwards."""
    _positive(total, "cosine")
    return lambda step: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(step, total) / total))


def polynomial(total: int, power: float = 1.0, floor: float = 0.0) -> Schedule:
    """Return ``floor + (1 − floor)(1 − t / total) ** power``, held at its end afterwards."""
    _positive(total, "polynomial")
    return lambda step: floor + (1 - floor) * (1 - min(step, total) / total) ** power


def warmup(schedule: Schedule, length: int, start: float = 0.0) -> Schedule:
    """Return ``schedule`` multiplied by a line from ``start`` (step 0) to 1 (step ``length``)."""
    if length == 0:
        return schedule
    _positive(length, "warm-up")
    return lambda step: schedule(step) * (start + (1 - start) * min(step / length, 1.0))


def join(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """Return the schedules one after another; each counts its steps from its own boundary.

    Example:
        >>> [join([constant(1.0), constant(0.5)], [3])(t) for t in (2, 3)]
        [1.0, 0.5]
    """
    if len(schedules) != len(boundaries) + 1:
        raise PrunescopeError(
            "join needs one boundary between neighbours", expected=len(schedules) - 1, got=len(boundaries)
        )
    piecewise(boundaries, 1.0)
    starts = (0, *boundaries)

    def at(step: int) -> float:
        index = sum(step >= boundary for boundary in boundaries)
        return schedules[index](step - starts[index])

    return at


def cubic_sparsity(step: int, begin: int, end: int, final: float, initial: float = 0.0) -> float:
    """Return the gradual-pruning target ``s_f + (s_0 − s_f)(1 − (t − b)/(e − b))³`` (Zhu and Gupta, 2017)."""
    if not 0 <= begin < end:
        raise PrunescopeError("gradual pruning needs begin < end", got=f"begin {begin}, end {end}")
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * (1 - progress) ** 3


def _positive(total: int, name: str) -> None:
    if total <= 0:
        raise PrunescopeError(f"{name} needs a positive length", expected="≥ 1 step", got=total)
