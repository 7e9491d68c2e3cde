"""Bars by class, stacked: how many are common to several recipes, and how many are one recipe's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.palette import BROKEN
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

FIELDS = ("item", "class"), ("kind", "kind"), ("value", "images")
KINDS = ("common", "unique")


class Bar(NamedTuple):
    """A count of one kind at a place."""

    place: str
    item: str
    kind: str
    value: int


def draw(records: Sequence[Bar], names: Sequence[str], theme: Theme) -> Drawing:
    """Return the bars of the place that the signal ``shown`` names, classes in their own order."""
    import altair as alt

    base = layers.of([{**record._asdict(), "rank": KINDS.index(record.kind)} for record in records]).transform_filter(
        "datum.place == shown"
    )
    legend = alt.Legend(
        title=None, orient="top", labelColor=theme.ink, labelFontSize=theme.font, labelFont=theme.family
    )
    ink = alt.Scale(domain=list(KINDS), range=[theme.ink, BROKEN])
    bar = base.mark_bar(stroke=theme.ink, strokeWidth=0.5 * theme.stretch).encode(
        x=alt.X("value:Q", stack="zero", title="forgotten images", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("item:N", sort=list(names), title=None, axis=alt.Axis(grid=False, ticks=False, domain=False)),
        fill=alt.Fill("kind:N", scale=ink, legend=legend),
        fillOpacity=alt.condition("datum.kind == 'common'", alt.value(0.35), alt.value(1.0)),
        order=alt.Order("rank:Q"),
        tooltip=layers.tips(FIELDS),
    )
    return layers.stack([bar], theme.height(22 * len(names) + 70))
