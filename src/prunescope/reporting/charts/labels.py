"""Direct labels at the right end of lines, pushed apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.axis import Range
from prunescope.reporting.charts.theme import Theme

if TYPE_CHECKING:
    import altair as alt

FADE = "focus == '' || datum.recipe == focus"
WIDEST = 10.0  # of a label, as a multiple of the font size
PLOT = 0.66  # share of a chart's height that the plot takes


class Label(NamedTuple):
    """A name at a height; ``recipe`` is empty for a reference or a limit."""

    text: str
    value: float
    recipe: str = ""
    color: str = ""


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return the places moved as little as needed so that neighbours are ``gap`` apart and all lie in [0, 1].

    Example:
        >>> [round(p, 2) for p in spread([0.5, 0.5, 0.9], 0.1)]
        [0.45, 0.55, 0.9]
    """
    gap = min(gap, 1 / max(1, len(places) - 1))
    clusters: list[tuple[list[int], float]] = []
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        members, centre = [i], min(max(places[i], 0.0), 1.0)
        while clusters and clusters[-1][1] + gap * (len(clusters[-1][0]) + len(members)) / 2 > centre + 1e-12:
            before, middle = clusters.pop()
            centre = (middle * len(before) + centre * len(members)) / (len(before) + len(members))
            members = before + members
            half = gap * (len(members) - 1) / 2
            centre = min(max(centre, half), 1 - half)
        clusters.append((members, centre))
    moved = [0.0] * len(places)
    for members, centre in clusters:
        for k, i in enumerate(members):
            moved[i] = centre + gap * (k - (len(members) - 1) / 2)
    return moved


def draw(labels: Sequence[Label], span: Range, look: dict[str, Any], theme: Theme, height: int) -> list[alt.Chart]:
    """Return the layers: a sign in the look of what is named, then its name."""
    import altair as alt

    gap = 1.3 * theme.font / (PLOT * height)
    places = spread([span.share(label.value) for label in labels], gap)
    values = [
        {**label._asdict(), "distance": span.value(p) - span.ideal} for label, p in zip(labels, places, strict=True)
    ]
    base = layers.of(values).encode(y="distance:Q", x=layers.right_end())
    size, thin, away = 44 * theme.stretch**2, 0.5 * theme.stretch, 0.7 * theme.font
    dot = base.transform_filter("datum.recipe != ''").mark_point(
        filled=True, size=size, stroke=theme.ink, strokeWidth=thin, xOffset=away, opacity=1
    )
    dash = base.transform_filter("datum.recipe == ''").mark_point(
        shape="stroke", size=1.6 * size, strokeWidth=3 * thin, xOffset=away, opacity=1
    )
    text = base.mark_text(align="left", baseline="middle", dx=1.35 * theme.font, limit=WIDEST * theme.font)
    faded = {"condition": {"test": f"datum.recipe == '' || {FADE}", "value": 1.0}, "value": 0.3}
    return [
        dot.encode(color=look["color"], shape=look["shape"]),
        dash.encode(stroke=alt.Stroke("color:N", scale=None)),
        text.encode(text="text:N", opacity=faded),
    ]
