"""Histograms of depth: the share of images decided at each probe, dense beside pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.lines import palette
from prunescope.reporting.charts.palette import Style
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

NETWORKS = ["dense", "pruned"]
FIELDS = ("network", "networks"), ("depth", "depth"), ("text", "share of images")


class Share(NamedTuple):
    """Share of images of one depth in the dense or the pruned networks of a place."""

    place: str
    recipe: str
    network: str
    depth: int
    value: float


def draw(shares: Sequence[Share], styles: Mapping[str, Style], theme: Theme) -> Drawing:
    """Return the bars of the place that the signal ``shown`` names; the dense ones in ink, named above the first."""
    import altair as alt

    rows = [{**s._asdict(), "value": round(100 * s.value, 2), "text": f"{100 * s.value:.3g} %"} for s in shares]
    base = layers.of(rows).transform_filter("datum.place == shown")
    x = alt.X("depth:O", title="prediction depth (0: no probe disagrees)", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("network:N", sort=NETWORKS, scale=alt.Scale(domain=NETWORKS))
    top = 1.3 * max((row["value"] for row in rows), default=1.0)
    y = alt.Y("value:Q", title="images (%)", scale=alt.Scale(domain=[0, top], nice=False))
    pruned = base.transform_filter("datum.network == 'pruned'").mark_bar(stroke=theme.ink, strokeWidth=0.5)
    dense = base.transform_filter("datum.network == 'dense'").mark_bar(color=theme.ink, opacity=0.4)
    name = base.transform_filter("datum.depth == 0").mark_text(align="left", angle=270, dx=4, baseline="middle")
    return layers.stack(
        [
            dense.encode(x=x, xOffset=offset, y=y, tooltip=layers.tips(FIELDS)),
            pruned.encode(x=x, xOffset=offset, y=y, color=palette(styles)["color"], tooltip=layers.tips(FIELDS)),
            name.encode(x=x, xOffset=offset, y=y, text="network:N"),
        ],
        theme.height(300),
    )
