"""Learning-rate schedules as data; the functions are in ``core.schedule``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from prunescope.core import schedule as schedules
from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.core.schedule import Duration, DurationField, Schedule


class LearningRate(Member, ABC):
    """A factor on the optimiser's ``lr`` by step, with an optional linear warm-up."""

    warmup: DurationField = Duration()

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
        return schedules.warmup(self.shape(per_epoch, total), length)


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
