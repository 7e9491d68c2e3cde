"""What belongs to charts over epochs: their axis, marks between epochs, and a map of layers by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    import altair as alt

    from prunescope.reporting.charts.layers import Drawing

TITLE = "epochs trained, from the beginning"
FIELDS = ("layer", "layer"), ("epoch", "epochs trained"), ("told", "zeros (%)")
LONG_NAMES = {"labelExpr": "length(datum.label) > 22 ? '…' + slice(datum.label, -21) : datum.label", "grid": False}
ROW, HEAD = 17, 90  # pixels: of a layer in the map, and of what stands below it


class Act(NamedTuple):
    """What was done between two epochs, shown by one value of the signal ``shown``."""

    choice: str
    x: float
    text: str


class Map(NamedTuple):
    """Percentages ``[layers, epochs]``, shown by one value of the signal ``shown``."""

    choice: str
    layers: Sequence[str]
    epochs: Sequence[float]
    values: NDArray[np.float64]


def epoch_axis(first: float, last: float) -> alt.X:
    """Return the axis of the field ``x``."""
    import altair as alt

    scale = alt.Scale(domain=[first, max(last, first + 1)], nice=False, zero=False)
    return alt.X("x:Q", title=TITLE, scale=scale, axis=alt.Axis(tickMinStep=1, tickCount=8, format="d", grid=False))


def acts(done: Sequence[Act], x: alt.X, theme: Theme) -> list[alt.Chart]:
    """Return a rule at each act with its name at the top."""
    import altair as alt

    if not done:
        return []
    base = layers.of([act._asdict() for act in done]).transform_filter("datum.choice == shown").encode(x=x)
    rule = base.mark_rule(color=theme.ink, opacity=0.45, strokeDash=[3, 3], strokeWidth=theme.stretch)
    text = base.mark_text(align="left", baseline="top", dx=0.3 * theme.font, fontSize=0.9 * theme.font)
    return [rule, text.encode(text="text:N", y=alt.value(0))]


def draw_map(maps: Sequence[Map], theme: Theme) -> Drawing:
    """Return the map of the shown choice, the input layer at the top; the scale is that of all choices.

    The scale (viridis) rises evenly in lightness, so that it survives colour blindness and black-and-white print.
    """
    import altair as alt

    top = max(float(m.values.max()) for m in maps)
    data = [
        {"choice": m.choice, "layer": layer, "epoch": epoch, "value": round(float(m.values[i, j]), 3),
         "told": f"{m.values[i, j]:.3g}"}
        for m in maps
        for i, layer in enumerate(m.layers)
        for j, epoch in enumerate(m.epochs)
    ]  # fmt: skip
    names = list(dict.fromkeys(layer for m in maps for layer in m.layers))
    bare: dict[str, Any] = {"ticks": False, "domain": False, **LONG_NAMES, "labelLimit": 13 * theme.font}
    size = theme.stretch
    scale = alt.Scale(scheme="viridis", domain=[0, top], clamp=True)
    legend = alt.Legend(
        title="zeros (%)", orient="right", type="symbol", symbolType="square", symbolSize=130 * size**2, tickCount=4,
        labelColor=theme.ink, labelFontSize=theme.font, labelFont=theme.family, symbolStrokeWidth=0,
        titleColor=theme.ink, titleFontSize=theme.font, titleFont=theme.family, titleFontWeight="normal",
    )  # fmt: skip
    below = alt.Axis(ticks=False, domain=False, labelAngle=0, labelOverlap="greedy", labelSeparation=6)
    x = alt.X("epoch:O", title=TITLE, axis=below)
    y = alt.Y("layer:N", sort=names, title=None, axis=alt.Axis(**bare))
    fill, seam = alt.Fill("value:Q", scale=scale, legend=legend), alt.Stroke("value:Q", scale=scale, legend=legend)
    base = layers.of(data).transform_filter("datum.choice == shown").encode(x=x, y=y)
    cell = base.mark_rect(strokeWidth=0.7 * size).encode(fill=fill, stroke=seam, tooltip=layers.tips(FIELDS))
    return layers.stack([cell], theme.height(ROW * len(names) + HEAD))
