"""Learning-rate schedules as data; the functions are in ``core.schedule``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from prunescope.core import schedule as schedules
from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.core.schedule import Duration, DurationField, Schedule


def surely_longer(one: Duration, other: Duration) -> bool:
    """Return whether ``one`` is longer than ``other`` however many steps an epoch has.

    Example:
        >>> surely_longer(Duration(epochs=6), Duration(epochs=5))
        True
        >>> surely_longer(Duration(epochs=6), Duration(iterations=5))
        False
    """
    return one != other and one.epochs >= other.epochs and one.iterations >= other.iterations


def refuse_falling(durations: tuple[Duration, ...], name: str) -> None:
    """Refuse boundaries that cannot rise, before the length of an epoch is known."""
    if any(one == other or surely_longer(one, other) for one, other in pairwise(durations)):
        raise PrunescopeError(f"{name} do not increase", got=", ".join(map(str, durations)))


class LearningRate(Member, ABC):
    """A factor on the optimiser's ``lr`` by step, with an optional linear warm-up.

    Attributes:
        warmup: steps on which the factor is multiplied by a line up to 1.
        warmup_from: where that line starts.
        by: ``epoch`` holds the factor (not the warm-up) through each epoch at its value at the epoch's start.
    """

    warmup: DurationField = Duration()
    warmup_from: Annotated[float, Field(ge=0, le=1)] = 0.0
    by: Literal["step", "epoch"] = "step"

    @abstractmethod
    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the factor without warm-up, for a training of ``total`` steps."""

    def schedule(self, per_epoch: int, total: int) -> Schedule:
        """Return the factor by step.

        Raises:
            PrunescopeError: when the warm-up is longer than the training.
        """
        length = self.warmup.steps(per_epoch)
        if length > total:
            raise PrunescopeError("warm-up longer than training", expected=f"≤ {total} steps", got=length)
        shape = self.shape(per_epoch, total)
        held = shape if self.by == "step" else lambda step: shape(step - step % per_epoch)
        return schedules.warmup(held, length, self.warmup_from)


LEARNING_RATES: Registry[LearningRate] = Registry("learning_rates")


@LEARNING_RATES.register("constant")
class Constant(LearningRate):
    """The optimiser's own ``lr`` throughout."""

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return 1 at every step."""
        return schedules.constant()


@LEARNING_RATES.register("steps")
class Steps(LearningRate):
    """Multiply by ``factor`` at each boundary."""

    main_option: ClassVar[str] = "at"

    at: tuple[DurationField, ...]
    factor: Annotated[float, Field(gt=0)] = 0.1

    @model_validator(mode="after")
    def _rising(self) -> Steps:
        refuse_falling(self.at, "boundaries of a schedule")
        return self

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the staircase."""
        return schedules.piecewise([duration.steps(per_epoch) for duration in self.at], self.factor)


@LEARNING_RATES.register("cosine")
class Cosine(LearningRate):
    """Fall from 1 to ``floor`` along a half cosine."""

    floor: Annotated[float, Field(ge=0, le=1)] = 0.0

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the half cosine."""
        return schedules.cosine(total, self.floor)


@LEARNING_RATES.register("polynomial")
class Polynomial(LearningRate):
    """Fall from 1 to ``floor`` as ``(1 − t/T) ** power``."""

    power: Annotated[float, Field(gt=0)] = 1.0
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the polynomial."""
        return schedules.polynomial(total, self.power, self.floor)


@LEARNING_RATES.register("product")
class Product(LearningRate):
    """Several schedules multiplied."""

    main_option: ClassVar[str] = "of"

    of: Annotated[tuple[Annotated[LearningRate, *LEARNING_RATES.field()], ...], Field(min_length=1)]

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the product of all factors."""
        factors = [part.schedule(per_epoch, total) for part in self.of]
        return lambda step: prod(factor(step) for factor in factors)


@LEARNING_RATES.register("join")
class Join(LearningRate):
    """One schedule after another: each runs its whole course between its boundaries.

    Attributes:
        parts: the schedules.
        at: where the second begins, where the third, and so on.
    """

    main_option: ClassVar[str] = "parts"

    parts: Annotated[tuple[Annotated[LearningRate, *LEARNING_RATES.field()], ...], Field(min_length=1)]
    at: tuple[DurationField, ...]

    @model_validator(mode="after")
    def _one_boundary_between_neighbours(self) -> Join:
        if len(self.at) != len(self.parts) - 1:
            raise PrunescopeError(
                "join needs one boundary between neighbours", expected=len(self.parts) - 1, got=len(self.at)
            )
        refuse_falling(self.at, "boundaries of a schedule")
        return self

    def shape(self, per_epoch: int, total: int) -> Schedule:
        """Return the schedules one after another."""
        boundaries = [duration.steps(per_epoch) for duration in self.at]
        lengths = [end - start for start, end in pairwise((0, *boundaries, total))]
        if min(lengths) < 1:
            expected = f"rising inside 1 … {total - 1}"
            raise PrunescopeError("boundaries of a schedule leave no room", expected=expected, got=boundaries)
        pieces = [part.schedule(per_epoch, length) for part, length in zip(self.parts, lengths, strict=True)]
        return schedules.join(pieces, boundaries)
