"""Card, what a measure promises; Measurement, what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.core.config import Config, finite
from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.data import View
from prunescope.measures.inference import INFERENCES, Inference

Scope = Literal["populations", "curve", "recipes"]
Better = Literal["higher", "lower", "neither"]


class Quantity(Config):
    """One number that a measure reports.

    Attributes:
        unit: ``share`` (0 to 1), ``points`` (percentage points), ``count``, ``nats`` …
        better: direction; a budget's limit is a maximum for ``lower`` and a minimum for ``higher``.
        range: smallest and largest possible value, None for unbounded.
        meaning: one sentence.
        neutral: the value when the pruned network is the dense one itself, None where there is no such value.
    """

    unit: str
    better: Better
    range: tuple[float | None, float | None]
    meaning: str
    neutral: float | None = None


class Card(Config):
    """What a measure promises, read by the report, ``explain``, the budget and the conformance tests.

    ``evidence`` names what it reads: ``state`` (weights, mask), ``images`` (of the view), or kinds of inference.
    ``draws``: it is shown every draw of a recipe that prunes each network several times, not the first alone.
    ``dense``: it is shown networks that are not pruned, and no others.
    """

    title: str
    scope: Scope
    evidence: frozenset[str]
    quantities: dict[str, Quantity]
    invariant_to: tuple[Literal["network order", "example order", "class relabelling", "logit scale"], ...] = ()
    ties: str = "none arise"
    source: str
    draws: bool = False
    dense: bool = False


@dataclass(frozen=True, kw_only=True)
class Value:
    """One reported number with all that is needed to read it.

    ``item`` says of what (a class, a layer; empty for the whole), ``seed`` of which network (None: of all of
    them). ``low``/``high`` is the 95 % interval, ``floor`` the value that means nothing happened (its null),
    ``p`` a p-value, corrected over the items of one quantity.
    """

    quantity: str
    value: float
    n: int
    item: str = ""
    seed: int | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    p: float | None = None

    @staticmethod
    def of(
        quantity: str,
        value: float,
        n: int,
        *,
        interval: tuple[float, float] | None = None,
        floor: tuple[float, float, float] | None = None,
        scale: float = 1.0,
        item: str = "",
        seed: int | None = None,
        p: float | None = None,
    ) -> Value:
        """Return a value with the interval ``(low, high)`` and the floor ``(value, low, high)`` times ``scale``.

        The value itself is given in its own unit, so that counts stay whole.

        Example:
            >>> value = Value.of("flips", 7.0, 100, interval=(0.02, 0.12), scale=100)
            >>> value.value, value.low, value.high
            (7.0, 2.0, 12.0)
        """
        low, high = (None, None) if interval is None else (scale * part for part in interval)
        null, null_low, null_high = (None, None, None) if floor is None else (scale * part for part in floor)
        return Value(
            quantity=quantity,
            value=value,
            n=n,
            item=item,
            seed=seed,
            low=low,
            high=high,
            floor=null,
            floor_low=null_low,
            floor_high=null_high,
            p=p,
        )

    def __post_init__(self) -> None:
        """Refuse NaN and infinity in every number."""
        for part in fields(self):
            number = getattr(self, part.name)
            if isinstance(number, (float, np.floating)):
                object.__setattr__(self, part.name, finite(float(number), f"{self.quantity}.{part.name}"))


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The result of one measure on what it was shown.

    ``arrays`` holds material by example or layer (flags, votes); ``notes`` what a reader must know.
    """

    values: tuple[Value, ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    status: Literal["measured", "not applicable"] = "measured"
    reason: str = ""

    @staticmethod
    def not_applicable(reason: str) -> Measurement:
        """Return the result of a question that has no meaning here."""
        return Measurement(status="not applicable", reason=reason)

    def __getitem__(self, quantity: str) -> Value:
        """Return the one value of ``quantity`` that stands for the whole (no item, no single seed)."""
        for value in self.values:
            if value.quantity == quantity and not value.item and value.seed is None:
                return value
        raise PrunescopeError(
            f"no value {quantity!r} in this measurement", got=sorted({v.quantity for v in self.values})
        )


class Measure(Member, ABC):
    """The contract of a measure: a file in this folder holds its pure function first and its class second."""

    card: ClassVar[Card]
    untrained: ClassVar[bool] = False
    """Whether it is also shown the dense networks at their initial weights."""

    def inference(self, kind: str) -> Inference:
        """Return the inference behind a kind of evidence that the card names, with the options this measure wants."""
        return INFERENCES.build(kind)

    def sees(self, view: View) -> bool:
        """Return whether it looks at a view: at every one through logits alone, else at those without a shift."""
        return view.kind == "plain" or self.card.evidence == {"logits"}

    @abstractmethod
    def __call__(self, shown: Any) -> Measurement:
        """Measure what the card's scope names: Populations, a Curve or Recipes."""


MEASURES: Registry[Measure] = Registry("measures")
