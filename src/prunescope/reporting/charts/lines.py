"""Lines over sparsity: bands, points, direct labels, a reference, a floor and a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import labels, layers
from prunescope.reporting.charts.axis import Range, position, sparsity_axis
from prunescope.reporting.charts.labels import FADE, Label
from prunescope.reporting.charts.palette import BROKEN, Style
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import measured

if TYPE_CHECKING:
    import altair as alt

    from prunescope.reporting.charts.layers import Drawing


@dataclass(frozen=True)
class Reference:
    """A horizontal level with its interval: the dense network, or a null floor."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    dash: tuple[int, ...] = (1, 3)


def dense_levels(reading: Reading, measure: str, quantity: str) -> list[Reference]:
    """Return the dense networks as horizontal levels, one for each dense recipe."""
    rows = reading.denses(measure, quantity)
    return [Reference(reading.dense_name(row.recipe), row.number, row.low, row.high) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What a chart over sparsity shows.

    Attributes:
        rows: one per recipe and level.
        styles: by recipe.
        axis: name and unit of the vertical axis.
        references: horizontal levels.
        limit: a promise's limit, in the unit of the rows.
        whole: True for shares that should be 100 %, which are shown by their distance from it.
        height: of the chart on the page.
    """

    rows: Sequence[Row]
    styles: Mapping[str, Style]
    axis: str
    references: Sequence[Reference] = ()
    limit: float | None = None
    whole: bool = False
    height: int = 300

    @property
    def factor(self) -> float:
        """100 for shares, which are drawn in percent."""
        return 100.0 if self.rows and self.rows[0].unit == "share" else 1.0

    @property
    def ideal(self) -> float:
        """The value whose neighbourhood is shown large."""
        return 100.0 if self.whole else 0.0

    def span(self) -> Range:
        """Return the vertical range of everything that is drawn."""
        drawn = [self.limit, *(v for row in self.rows for v in (row.number, row.low, row.high))]
        drawn += [v for reference in self.references for v in (reference.value, reference.low, reference.high)]
        return Range.around((v * self.factor for v in drawn if v is not None), self.ideal)

    def labels(self, ink: str) -> list[Label]:
        """Return the names at the right end: of recipes, references and the limit."""
        last = {row.recipe: row for row in self.rows}
        named = [Label(recipe, row.number * self.factor, recipe) for recipe, row in last.items()]
        named += [Label(reference.label, reference.value * self.factor, color=ink) for reference in self.references]
        return named + ([] if self.limit is None else [Label("limit", self.limit * self.factor, color=BROKEN)])


def draw(lines: Lines, theme: Theme, under: Sequence[alt.Chart] = ()) -> Drawing:
    """Return the layered chart: what lies under it, floor and dense, then bands, lines, points and labels."""
    span, height = lines.span(), theme.height(lines.height)
    x, y = sparsity_axis([row.sparsity for row in lines.rows]), span.axis(lines.axis)
    order = list(lines.styles)
    rows = sorted(lines.rows, key=lambda row: -order.index(row.recipe))  # the first recipe lies on top
    base = layers.of([_datum(row, lines) for row in rows]).encode(x=x, y=y)
    look = palette(lines.styles)
    names = labels.draw(lines.labels(theme.ink), span, look, theme, height)
    return layers.stack([*under, *_levels(lines, theme, y), *_curves(base, lines, look, theme), *names], height)


def palette(styles: Mapping[str, Style]) -> dict[str, Any]:
    """Return the encodings of a recipe by colour, shape and dash, without legends."""
    import altair as alt

    names, looks = list(styles), list(styles.values())
    color, shape, dash = (
        alt.Scale(domain=names, range=values)
        for values in ([s.color for s in looks], [s.shape for s in looks], [list(s.dash) for s in looks])
    )
    return {
        "color": alt.Color("recipe:N", scale=color, legend=None),
        "shape": alt.Shape("recipe:N", scale=shape, legend=None),
        "strokeDash": alt.StrokeDash("recipe:N", scale=dash, legend=None),
    }


def _datum(row: Row, lines: Lines) -> dict[str, Any]:
    text, interval = measured(row.number, row.unit, row.low, row.high)
    low, high = (None if end is None else end * lines.factor - lines.ideal for end in (row.low, row.high))
    return {
        "recipe": row.recipe,
        "x": position(row.sparsity),
        "distance": row.number * lines.factor - lines.ideal,
        "low": low,
        "high": high,
        "at": row.at,
        "text": text,
        "interval": interval or "none",
        "n": row.n,
    }


def _curves(base: alt.Chart, lines: Lines, look: dict[str, Any], theme: Theme) -> list[alt.Chart]:
    faded = {"condition": {"test": FADE, "value": 1.0}, "value": 0.12}
    pale = {"condition": {"test": FADE, "value": 0.2}, "value": 0.03}
    name = lines.axis.split(" (")[0]
    fields = ("recipe", "recipe"), ("at", "sparsity"), ("text", name), ("interval", "95 % interval"), ("n", "n")
    size = theme.stretch
    band = base.transform_filter("isValid(datum.low)").mark_area()
    dot = base.mark_point(filled=True, size=62 * size**2, stroke=theme.ink, strokeWidth=0.5 * size)
    return [
        band.encode(y="low:Q", y2="high:Q", color=look["color"], opacity=pale),
        base.mark_line(strokeWidth=2.2 * size).encode(
            color=look["color"], strokeDash=look["strokeDash"], opacity=faded
        ),
        dot.encode(color=look["color"], shape=look["shape"], opacity=faded, tooltip=layers.tips(fields)),
    ]


def _levels(lines: Lines, theme: Theme, y: alt.Y) -> list[alt.Chart]:
    """Return dense, floors and the limit as bands and rules across the whole width."""
    marks: list[alt.Chart] = []
    for reference in lines.references:
        ends = (reference.value, reference.low, reference.high)
        value, low, high = ((reference.value if e is None else e) * lines.factor - lines.ideal for e in ends)
        chart = layers.of([{"distance": value, "low": low, "high": high}])
        rule = chart.mark_rule(color=theme.ink, strokeDash=list(reference.dash), strokeWidth=1.5 * theme.stretch)
        marks += [chart.mark_rect(color=theme.ink, opacity=0.1).encode(y="low:Q", y2="high:Q"), rule.encode(y=y)]
    if lines.limit is not None:
        chart = layers.of([{"distance": lines.limit * lines.factor - lines.ideal}])
        marks.append(chart.mark_rule(color=BROKEN, strokeDash=[5, 2], strokeWidth=1.5 * theme.stretch).encode(y=y))
    return marks
