"""Axes that show small and large effects alike: sparsity by what is kept, values by their distance from the ideal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunescope.reporting.wording import sparsity

if TYPE_CHECKING:
    import altair as alt

STEPS = (0.0, *(digit * 10.0**power for power in range(7) for digit in (1, 2, 5)))
FINE = ((5.0, (0.5,)), (1.0, (0.1, 0.2)))  # further steps for ranges that reach no further than this
DENSEST = 1 - 1e-6
MANY = 100  # Vega halves the ticks it is given until there are no more than this


def position(s: float) -> float:
    """Return where a sparsity stands: equal steps divide what is kept by equal factors.

    Example:
        >>> [round(position(s), 2) for s in (0.0, 0.5, 0.9, 0.99)]
        [0.0, 0.3, 1.0, 2.0]
    """
    return round(abs(math.log10(1.0 - min(s, DENSEST))), 9)


def sparsity_axis(levels: Sequence[float], room: float = 0.02) -> alt.X:
    """Return the axis of the field ``x``: a tick at every level measured, ``room`` at both ends."""
    import altair as alt

    ticks = sorted({position(s): s for s in (0.0, *levels)}.items())
    names = ", ".join(f"'{sparsity(s)}'" for _, s in ticks)
    values = [x for x, _ in ticks]
    expression = f"[{names}][indexof([{', '.join(map(repr, values))}], datum.value)]"
    reach = max(values) or 1.0
    return alt.X(
        "x:Q",
        title="sparsity (weights removed)",
        scale=alt.Scale(domain=[-room * reach, (1 + room) * reach], nice=False),
        axis=alt.Axis(
            values=values,
            tickCount=MANY,
            labelExpr=expression,
            labelOverlap="greedy",
            labelSeparation=4,
            grid=False,
        ),
    )


@dataclass(frozen=True)
class Range:
    """A vertical range on which the distance ``d`` from an ideal value stands at ``sign(d) log(1 + |d|)``.

    Up to a distance of about 1 (a point, an image) the axis is nearly linear, beyond it nearly logarithmic.

    Attributes:
        low: the lowest value.
        high: the highest.
        ideal: 0 for values that should be small, 100 for shares that should be whole.
    """

    low: float
    high: float
    ideal: float = 0.0

    @staticmethod
    def around(values: Iterable[float], ideal: float = 0.0) -> Range:
        """Return the range that holds the values and the ideal, with a little air where it does not end there."""
        drawn = [ideal, *values]
        low, high = min(drawn), max(drawn)
        span = Range(low, high if high > low else low + 1.0, ideal)
        return Range(
            low if low == ideal == 0 else span.value(-0.06), high if high == ideal == 100 else span.value(1.06), ideal
        )

    def axis(self, title: str, *, signed: bool = True) -> alt.Y:
        """Return the axis of the field ``distance``, labelled with values, or with distances without sign."""
        import altair as alt

        steps = {*STEPS, *(step for reach, finer in FINE if self._reach < reach for step in finer)}
        values = sorted({sign * step for step in steps for sign in (1, -1) if self.holds(self.ideal + sign * step)})
        shown = f"{self.ideal} + datum.value" if signed else "abs(datum.value)"
        names = f"replace('' + ({shown}), '-', '−')"
        domain = [self.low - self.ideal, self.high - self.ideal]
        scale = alt.Scale(domain=domain, nice=False, zero=False, type="symlog", constant=1)
        axis = alt.Axis(values=values, tickCount=MANY, labelExpr=names, labelOverlap="greedy", labelSeparation=3)
        return alt.Y("distance:Q", title=title, scale=scale, axis=axis)

    @property
    def _reach(self) -> float:
        return max(self.high - self.ideal, self.ideal - self.low)

    def holds(self, value: float) -> bool:
        """Tell whether a value is inside."""
        return self.low <= value <= self.high

    def share(self, value: float) -> float:
        """Return where a value stands from bottom (0) to top (1)."""
        low, high, place = (_bend(v - self.ideal) for v in (self.low, self.high, value))
        return (place - low) / (high - low)

    def value(self, share: float) -> float:
        """Return the value that stands at a share of the height."""
        low, high = _bend(self.low - self.ideal), _bend(self.high - self.ideal)
        bent = low + share * (high - low)
        return self.ideal + math.copysign(math.expm1(abs(bent)), bent)


def _bend(distance: float) -> float:
    return math.copysign(math.log1p(abs(distance)), distance)
