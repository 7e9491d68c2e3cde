"""Dots with intervals, one row per class, the most damaged on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.palette import BROKEN, KEPT
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.place import key
from prunescope.reporting.reading import Row
from prunescope.reporting.wording import bare_p

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

SIGNIFICANT = 0.05
FIELDS = (
    ("item", "class"),
    ("text", "drop"),
    ("interval", "95 % interval"),
    ("p", "corrected p"),
    ("n", "images"),
)


def draw(rows: Sequence[Row], images: Mapping[str, str], theme: Theme, height: int) -> Drawing:
    """Return drop, interval and null range of the place that the signal ``shown`` names; filled if significant."""
    import altair as alt

    base = layers.of([_datum(row) for row in rows]).transform_filter("datum.place == shown")
    fields = list(FIELDS)
    if images:
        known = layers.data([{"item": name, "image": uri} for name, uri in images.items()])
        base = base.transform_lookup(lookup="item", from_=alt.LookupData(data=known, key="item", fields=["image"]))
        fields.append(("image", "image"))
    order = alt.EncodingSortField(field="value", op="max", order="descending")
    bare = alt.Axis(grid=False, ticks=False, domain=False, labelOverlap=False)
    y = alt.Y("item:N", sort=order, title=None, axis=bare)
    x = alt.X("value:Q", title="drop of recall (points)", axis=alt.Axis(tickCount=6))
    ink = alt.Scale(domain=["loses", "gains", "not significant"], range=[BROKEN, KEPT, theme.ink])
    color, size = alt.Color("verdict:N", scale=ink, legend=None), theme.stretch
    filled = {"condition": {"test": "datum.verdict == 'not significant'", "value": 0}, "value": 1}
    null = base.mark_bar(color=theme.ink, opacity=0.1, height={"band": 0.7})
    zero = layers.of([{"zero": 0}]).mark_rule(color=theme.ink, opacity=0.6, strokeWidth=size)
    dot = base.mark_point(opacity=1, size=70 * size**2, strokeWidth=1.8 * size)
    parts = [
        null.encode(y=y, x="floor_low:Q", x2="floor_high:Q"),
        zero.encode(x="zero:Q"),
        base.mark_rule(strokeWidth=2 * size).encode(y=y, x="low:Q", x2="high:Q", color=color),
        dot.encode(y=y, x=x, color=color, fill=color, fillOpacity=filled, tooltip=layers.tips(fields)),
    ]
    return layers.stack(parts, height)


def _datum(row: Row) -> dict[str, Any]:
    text, interval, _, _ = row.shown()
    significant = row.p is not None and row.p < SIGNIFICANT
    return {
        "place": key(row.recipe, row.level),
        "item": row.item,
        "value": row.number,
        "low": row.number if row.low is None else row.low,
        "high": row.number if row.high is None else row.high,
        "floor_low": row.floor_low or 0.0,
        "floor_high": row.floor_high or 0.0,
        "text": text,
        "interval": interval or "none",
        "p": "none" if row.p is None else bare_p(row.p),
        "n": row.n,
        "verdict": ("loses" if row.number > 0 else "gains") if significant else "not significant",
    }
