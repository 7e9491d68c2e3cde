"""Drops of accuracy by view and sparsity, as a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.wording import number

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

FIELDS = (("item", "view"), ("at", "sparsity"), ("text", "drop"), ("interval", "95 % interval"), ("n", "images"))
MOST_LEVELS = 8  # beyond which a cell has no room for its number


class Square(NamedTuple):
    """One cell: the drop in points at a view and a sparsity; ``rank`` orders the views."""

    choice: str
    item: str
    rank: int
    at: str
    sparsity: float
    value: float
    text: str
    interval: str
    n: int


def draw(squares: Sequence[Square], theme: Theme) -> Drawing:
    """Return the map of the shown choice; the darker a cell the larger the drop, gains are as bright as no drop."""
    import altair as alt

    size, most = theme.stretch, max(1.0, *(square.value for square in squares))
    choices = {square.choice for square in squares}
    rows = max(len({s.item for s in squares if s.choice == choice}) for choice in choices)
    columns = max(len({s.at for s in squares if s.choice == choice}) for choice in choices)
    data = [{**s._asdict(), "told": number(s.value, 0 if abs(s.value) >= 9.95 else 1)} for s in squares]
    bare: dict[str, Any] = {"grid": False, "ticks": False, "domain": False}
    x = alt.X(
        "at:O",
        sort=alt.EncodingSortField(field="sparsity", op="max"),
        title="sparsity (weights removed)",
        axis=alt.Axis(labelAngle=0, labelOverlap="greedy", **bare),
    )
    y = alt.Y(
        "item:N",
        sort=alt.EncodingSortField(field="rank", op="max"),
        title=None,
        axis=alt.Axis(labelOverlap=False, labelLimit=13 * theme.font, **bare),
    )
    scale = alt.Scale(scheme="viridis", domain=[0, most], reverse=True, clamp=True)
    base = layers.of(data).transform_filter("datum.choice == shown").encode(x=x, y=y)
    cell = base.mark_rect(strokeWidth=0.7 * size).encode(
        fill=alt.Fill("value:Q", scale=scale, legend=None),
        stroke=alt.Stroke("value:Q", scale=scale, legend=None),
        tooltip=layers.tips(FIELDS),
    )
    ink = {"condition": {"test": f"datum.value > {0.45 * most}", "value": "#ffffff"}, "value": "#000000"}
    text = base.mark_text(fontSize=0.92 * theme.font).encode(text="told:N", color=ink)
    return layers.stack([cell, text] if columns <= MOST_LEVELS else [cell], theme.height(70 + 21 * rows))
