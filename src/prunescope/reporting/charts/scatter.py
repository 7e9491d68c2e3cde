"""Points by place, forgotten images over the others, with the diagonal where nothing changed or with class names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.palette import BROKEN
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    import altair as alt

    from prunescope.reporting.charts.layers import Drawing

GROUPS = ["not PIE", "PIE"]
FIELDS = ("kind", "class"), ("group", "image"), ("example", "number")


class Point(NamedTuple):
    """One image at a place; ``kind`` is its class."""

    place: str
    x: float
    y: float
    group: str
    kind: str
    example: int


def draw(points: Sequence[Point], x: str, y: str, theme: Theme) -> Drawing:
    """Return dense against pruned values of the place that the signal ``shown`` names, on one scale with its diagonal.

    Args:
        points: what is drawn.
        x: name of the dense value.
        y: name of the pruned value.
        theme: sizes and ink.
    """
    import altair as alt

    low = min(min(point.x, point.y) for point in points)
    high = max(max(point.x, point.y) for point in points)
    room = 0.04 * (high - low or 1.0)
    span = alt.Scale(domain=[low - room, high + room], nice=False, zero=False)
    across, up = alt.X("x:Q", title=x, scale=span), alt.Y("y:Q", title=y, scale=span)
    ends = layers.of([{"x": low - room, "y": low - room}, {"x": high + room, "y": high + room}])
    line = ends.mark_line(color=theme.ink, strokeDash=[4, 4], opacity=0.6, strokeWidth=1.2 * theme.stretch)
    return layers.stack([line.encode(x=across, y=up), *_groups(points, across, up, theme)], theme.height(380))


def draw_map(points: Sequence[Point], theme: Theme) -> Drawing:
    """Return the map of the place that the signal ``shown`` names: colour by class, PIEs as outlined triangles."""
    import altair as alt

    bare = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    across = alt.X("x:Q", title=None, axis=bare, scale=alt.Scale(zero=False))
    up = alt.Y("y:Q", title=None, axis=bare, scale=alt.Scale(zero=False))
    kinds = sorted({point.kind for point in points})
    few = alt.Scale(scheme="tableau10", domain=kinds)
    scale = few if len(kinds) <= 10 else alt.Scale(scheme="tableau20", domain=kinds)
    fill = alt.Fill("kind:N", scale=scale, legend=None)
    name = _base(points).transform_aggregate(x="median(x)", y="median(y)", groupby=["kind"])
    text = name.mark_text(fontWeight="bold", fontSize=1.35 * theme.font, color=theme.ink).encode(
        x=across, y=up, text="kind:N"
    )
    return layers.stack([*_groups(points, across, up, theme, fill), text], theme.height(340))


def _base(points: Sequence[Point]) -> alt.Chart:
    rows = [
        {**point._asdict(), "x": round(point.x, 4), "y": round(point.y, 4)}
        for point in sorted(points, key=lambda point: GROUPS.index(point.group))
    ]
    return layers.of(rows).transform_filter("datum.place == shown")


def _groups(
    points: Sequence[Point], across: alt.X, up: alt.Y, theme: Theme, fill: alt.Fill | None = None
) -> list[alt.Chart]:
    """Return one layer of points: PIEs are triangles, and vermillion where colour does not stand for classes."""
    import altair as alt

    size = theme.stretch
    shape = alt.Shape("group:N", scale=alt.Scale(domain=GROUPS, range=["circle", "triangle-up"]), legend=None)
    if fill is None:
        ink = alt.Scale(domain=GROUPS, range=[theme.ink, BROKEN])
        fill = alt.Fill("group:N", scale=ink, legend=None)
    pie = "datum.group == 'PIE'"
    looks: dict[str, Any] = {
        "size": alt.condition(pie, alt.value(64 * size**2), alt.value(28 * size**2)),
        "opacity": alt.condition(pie, alt.value(0.95), alt.value(0.55)),
        "strokeWidth": alt.condition(pie, alt.value(0.9 * size), alt.value(0)),
    }
    mark = _base(points).mark_point(filled=True, stroke=theme.ink)
    return [mark.encode(x=across, y=up, shape=shape, fill=fill, tooltip=layers.tips(FIELDS), **looks)]
