"""Accuracy of dense and pruned networks on PIEs, on all other images and on a random subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.lines import palette
from prunescope.reporting.charts.palette import Style
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.place import key
from prunescope.reporting.reading import Row

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

SUBSETS = ["not PIE", "random", "PIE"]
NETWORKS = ["dense", "pruned"]
FIELDS = ("item", "images"), ("network", "networks"), ("text", "accuracy"), ("interval", "95 % interval"), ("n", "n")
RIGHTMOST = 75  # percent; further right a name stands left of its dot


def draw(dense: Sequence[Row], pruned: Sequence[Row], styles: Mapping[str, Style], theme: Theme) -> Drawing:
    """Return both accuracies on each subset, of the place that the signal ``shown`` names."""
    import altair as alt

    data = [_datum(row, network) for network, rows in zip(NETWORKS, (dense, pruned), strict=True) for row in rows]
    base = layers.of(data).transform_filter("datum.place == shown")
    y = alt.Y("item:N", sort=SUBSETS, title=None, axis=alt.Axis(ticks=False, domain=False, grid=False))
    offset = alt.YOffset("network:N", sort=NETWORKS)
    ticks = alt.Axis(values=list(range(0, 101, 20)))
    x = alt.X("value:Q", title="accuracy (%)", scale=alt.Scale(domain=[0, 100]), axis=ticks)
    look, size = palette(styles), theme.stretch
    looks = ((alt.value(theme.ink), alt.value("circle")), (look["color"], look["shape"]))
    parts = []
    for network, (color, shape) in zip(NETWORKS, looks, strict=True):
        part = base.transform_filter(f"datum.network == '{network}'").encode(y=y, yOffset=offset, color=color)
        dot = part.mark_point(filled=True, size=74 * size**2, opacity=1, stroke=theme.ink, strokeWidth=0.5 * size)
        parts.append(part.mark_rule(strokeWidth=2 * size).encode(x="low:Q", x2="high:Q"))
        parts.append(dot.encode(x=x, shape=shape, tooltip=layers.tips(FIELDS)))
    named = base.transform_filter("datum.item == 'PIE'").encode(y=y, yOffset=offset, text="network:N")
    right = named.transform_filter(f"datum.high < {RIGHTMOST}").mark_text(align="left", baseline="middle", dx=6)
    left = named.transform_filter(f"datum.high >= {RIGHTMOST}").mark_text(align="right", baseline="middle", dx=-6)
    return layers.stack([*parts, right.encode(x="high:Q"), left.encode(x="low:Q")], theme.height(200))


def _datum(row: Row, network: str) -> dict[str, Any]:
    text, interval, _, _ = row.shown()
    return {
        "place": key(row.recipe, row.level),
        "item": row.item,
        "network": network,
        "recipe": row.recipe,
        "value": row.number * 100,
        "low": (row.number if row.low is None else row.low) * 100,
        "high": (row.number if row.high is None else row.high) * 100,
        "text": text,
        "interval": interval or "none",
        "n": row.n,
    }
