"""Layers of the dense network against layers of the pruned one, as a map of similarities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.curves import LAYER_NAMES, layer_labels
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

MOST_TEXTS = 8  # layers beyond which a cell has no room for its number
STEPS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)  # of the legend
BRIGHT = 0.55  # of the scale; above it numbers are black, below white
LAYERS = ("layer of the dense network", "layer of the pruned network", "similarity")


class Grid(NamedTuple):
    """Similarities ``[dense layers, pruned layers]``, shown by one value of the signal ``shown``."""

    choice: str
    layers: Sequence[str]
    values: NDArray[np.float64]


def draw(grids: Sequence[Grid], names: Sequence[str], theme: Theme, words: tuple[str, str, str] = LAYERS) -> Drawing:
    """Return the map of the shown choice, input at the top left; numbers in the cells of small ones.

    ``words`` name the vertical axis, the horizontal one and the value. The scale (viridis) rises evenly in lightness,
    so that it survives colour blindness and black-and-white print.
    """
    import altair as alt

    few, size = max(len(grid.layers) for grid in grids) <= MOST_TEXTS, theme.stretch
    data = [
        {"choice": grid.choice, "dense": dense, "pruned": pruned, "value": round(float(grid.values[i, j]), 4)}
        for grid in grids
        for i, dense in enumerate(grid.layers)
        for j, pruned in enumerate(grid.layers)
    ]
    bare: dict[str, Any] = {"ticks": False, "domain": False, **LAYER_NAMES, **({"labelOverlap": False} if few else {})}
    below = alt.Axis(**(bare | layer_labels(names)))
    x = alt.X("pruned:N", sort=list(names), title=words[1], axis=below)
    y = alt.Y("dense:N", sort=list(names), title=words[0], axis=alt.Axis(**bare))
    legend = alt.Legend(
        title=None, orient="right", type="symbol", symbolType="square", symbolSize=130 * size**2, values=list(STEPS),
        labelColor=theme.ink, labelFontSize=theme.font, labelFont=theme.family, format=".1f", symbolStrokeWidth=0,
    )  # fmt: skip
    scale = alt.Scale(scheme="viridis", domain=[0, 1], clamp=True)
    base = layers.of(data).transform_filter("datum.choice == shown").encode(x=x, y=y)
    told = None if few else legend
    fill, seam = alt.Fill("value:Q", scale=scale, legend=told), alt.Stroke("value:Q", scale=scale, legend=told)
    cell = base.mark_rect(strokeWidth=0.7 * size)  # a stroke of its own colour closes the hairlines between cells
    parts = [
        cell.encode(
            fill=fill, stroke=seam, tooltip=layers.tips(tuple(zip(("dense", "pruned", "value"), words, strict=True)))
        )
    ]
    if few:
        ink = {"condition": {"test": f"datum.value > {BRIGHT}", "value": "#000000"}, "value": "#ffffff"}
        parts.append(base.mark_text().encode(text=alt.Text("value:Q", format=".2f"), color=ink))
    return layers.stack(parts, theme.height(400))
