"""Ranked bars with intervals, the lowest on top, beside a level that they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

FIELDS = (("item", "view"), ("text", "potential"), ("interval", "95 % interval"), ("n", "images"))


class Bar(NamedTuple):
    """One bar, in percent; ``level`` is what it is compared with, ``plain`` bars stand for that themselves."""

    choice: str
    item: str
    value: float
    low: float
    high: float
    level: float | None
    color: str
    plain: bool
    text: str
    interval: str
    n: int


def draw(bars: Sequence[Bar], title: str, theme: Theme) -> Drawing:
    """Return the bars of the choice that the signal ``shown`` names."""
    import altair as alt

    size, rows = theme.stretch, max(sum(bar.choice == choice for bar in bars) for choice in {b.choice for b in bars})
    base = layers.of([bar._asdict() for bar in bars]).transform_filter("datum.choice == shown")
    order = alt.EncodingSortField(field="value", op="max", order="ascending")
    bare = alt.Axis(grid=False, ticks=False, domain=False, labelOverlap=False, labelLimit=13 * theme.font)
    y = alt.Y("item:N", sort=order, title=None, axis=bare)
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, 100], nice=False), axis=alt.Axis(tickCount=5))
    color = alt.Color("color:N", scale=None)
    thin = {"condition": {"test": "datum.plain", "value": 0.35}, "value": 0.75}
    parts = [
        base.mark_bar(height={"band": 0.68}).encode(y=y, x=x, color=color, opacity=thin, tooltip=layers.tips(FIELDS)),
        base.mark_rule(color=theme.ink, strokeWidth=1.3 * size).encode(y=y, x="low:Q", x2="high:Q"),
        base.transform_filter("isValid(datum.level)")
        .transform_aggregate(level="max(level)")
        .mark_rule(color=theme.ink, strokeDash=[5, 3], strokeWidth=1.4 * size)
        .encode(x="level:Q"),
    ]
    return layers.stack(parts, theme.height(70 + 19 * rows))
