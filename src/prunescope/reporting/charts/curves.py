"""Curves of the choice that a chart shows, over layers or over sparsity, named at the right end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.labels import PLOT, WIDEST, spread
from prunescope.reporting.charts.palette import Style
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.reading import Row
from prunescope.reporting.wording import measured

if TYPE_CHECKING:
    import altair as alt

    from prunescope.reporting.charts.layers import Drawing

HEIGHT = 340
CROWDED = 24  # places beyond which points are small
MOST_LETTERS = 34  # that stand side by side below a chart; more are turned
LAYER_NAMES = {
    "labelExpr": "length(datum.label) > 16 ? '…' + slice(datum.label, -15) : datum.label",
    "labelOverlap": "greedy",
    "grid": False,
}
"""The end of a layer's name tells it from its neighbours."""
FIELDS = (
    ("name", "of"),
    ("metric", "metric"),
    ("item", "layer"),
    ("at", "sparsity"),
    ("text", "similarity"),
    ("interval", "95 % interval"),
    ("n", "examples"),
)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line.

    Attributes:
        choice: value of the signal ``shown`` that shows it.
        name: told when the pointer rests on a point, and at the right end.
        metric: what was measured.
        points: where each row stands; None leaves a gap.
        look: colour (empty for the ink), shape (``stroke`` for no points) and dash.
        opacity: of the line and its points.
        spread: ``whiskers`` or a ``band`` from low to high, or nothing.
        hollow: True for open points.
        named: whether the name stands at the right end.
    """

    choice: str
    name: str
    metric: str
    points: Sequence[tuple[str | float, Row | None]]
    look: Style
    opacity: float = 1.0
    spread: str = ""
    hollow: bool = False
    named: bool = True


@dataclass(frozen=True)
class Scale:
    """The vertical scale of a similarity: plain, for it is bounded by 1 and every part of it counts."""

    low: float
    high: float
    form: str = ".2~f"

    @staticmethod
    def over(curves: Sequence[Curve], *, zero: bool) -> Scale:
        """Return the scale from the lowest value drawn, or from 0, to 1."""
        values = [row.number for curve in curves for _, row in curve.points if row is not None]
        low = min(0.0, *values) if zero else min(values)
        air = 0.03 * (1 - low or 1.0)
        return Scale(low - air, 1 + air)

    def axis(self, title: str) -> alt.Y:
        """Return the axis of the field ``value``."""
        import altair as alt

        scale = alt.Scale(domain=[self.low, self.high], nice=False, zero=False)
        return alt.Y("value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6, format=self.form))

    def share(self, value: float) -> float:
        """Return where a value stands from bottom (0) to top (1)."""
        return (value - self.low) / (self.high - self.low)

    def value(self, share: float) -> float:
        """Return the value that stands at a share of the height."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class Bar:
    """A bar behind the curves from the lowest to the highest of a place; one of them may be strong."""

    choice: str
    x: str
    low: float
    high: float
    strong: bool


def layer_labels(names: Sequence[str]) -> dict[str, Any]:
    """Return how layers are named below a chart: long names are turned, and thin out where they would overlap."""
    turned = len(names) * max(map(len, names)) > MOST_LETTERS
    placed = {"labelAngle": -45, "labelAlign": "right"} if turned else {"labelAngle": 0, "labelAlign": "center"}
    return {**placed, "labelBaseline": "top", **LAYER_NAMES}


def layer_axis(names: Sequence[str]) -> alt.X:
    """Return the axis of the field ``x`` for layers in network order."""
    import altair as alt

    scale, axis = alt.Scale(type="point", padding=0.3), alt.Axis(**layer_labels(names))
    return alt.X("x:N", title="layer, from input to output", sort=list(names), scale=scale, axis=axis)


def draw(
    curves: Sequence[Curve],
    x: alt.X,
    scale: Scale,
    axis: str,
    theme: Theme,
    bars: Sequence[Bar] = (),
    *,
    under: Sequence[alt.Chart] = (),
    fields: Sequence[tuple[str, str]] = FIELDS,
) -> Drawing:
    """Return bars and bands first, then lines, whiskers, points and names; ``axis`` names the vertical one.

    ``under`` are marks to lie at the bottom, ``fields`` what is told when the pointer rests on a point.
    """
    import altair as alt

    height, y = theme.height(HEIGHT), scale.axis(axis)
    data = [_datum(curve, x, row, theme) for curve in curves for x, row in curve.points]
    base = alt.Chart().transform_filter("datum.choice == shown").encode(x=x, y=y)
    band, whiskers = _spreads(base, theme)
    lines = _lines(base, curves, theme), whiskers, _dots(base, curves, fields, theme)
    parts = *under, *_bars(bars, x, y, theme), band, *lines, *_names(curves, x, y, scale, theme)
    return layers.stack(parts, height).properties(data=layers.data(data))  # once, not in every layer


def _spreads(base: alt.Chart, theme: Theme) -> tuple[alt.Chart, alt.Chart]:
    """Return bands and whiskers from low to high."""
    import altair as alt

    ranged = base.transform_filter("isValid(datum.value)").transform_filter("isValid(datum.low)")
    band = ranged.transform_filter("datum.spread == 'band'").mark_area(color=theme.ink, opacity=0.12, clip=True)
    whisker = ranged.transform_filter("datum.spread == 'whiskers'").mark_rule(
        strokeWidth=1.2 * theme.stretch, clip=True
    )
    ends = {"y": "low:Q", "y2": "high:Q"}
    return band.encode(**ends, detail="curve:N"), whisker.encode(**ends, color=alt.Color("color:N", scale=None))


def _lines(base: alt.Chart, curves: Sequence[Curve], theme: Theme) -> alt.Chart:
    import altair as alt

    dashes = {_dash(curve.look): list(curve.look.dash) for curve in curves}
    dashed = alt.Scale(domain=list(dashes), range=list(dashes.values()))
    return base.mark_line(strokeWidth=2 * theme.stretch, clip=True).encode(  # type: ignore[no-any-return]
        color=alt.Color("color:N", scale=None),
        detail="curve:N",
        opacity=alt.Opacity("opacity:Q", scale=None),
        strokeDash=alt.StrokeDash("dash:N", scale=dashed, legend=None),
    )


def _dots(base: alt.Chart, curves: Sequence[Curve], fields: Sequence[tuple[str, str]], theme: Theme) -> alt.Chart:
    import altair as alt

    crowded, size = max(len(curve.points) for curve in curves) > CROWDED, theme.stretch
    dot = (
        base.transform_filter("isValid(datum.value)")
        .transform_filter("datum.shape != 'stroke'")
        .mark_point(size=(20 if crowded else 62) * size**2, strokeWidth=1.4 * size, clip=True)
    )
    color = alt.Color("color:N", scale=None)
    return dot.encode(  # type: ignore[no-any-return]
        color=color,
        fill=color,
        fillOpacity={"condition": {"test": "datum.hollow", "value": 0}, "value": 1},
        opacity=alt.Opacity("opacity:Q", scale=None),
        shape=alt.Shape("shape:N", scale=None),
        tooltip=layers.tips(fields),
    )


def _datum(curve: Curve, x: str | float, row: Row | None, theme: Theme) -> dict[str, Any]:
    seen = {
        "choice": curve.choice,
        "curve": f"{curve.metric} {curve.name}",
        "x": x,
        "value": None,
        "color": curve.look.color or theme.ink,
        "shape": curve.look.shape,
        "dash": _dash(curve.look),
        "opacity": curve.opacity,
    }
    if row is None:
        return seen
    text, interval = measured(row.number, "", row.low, row.high)
    ends = {} if not curve.spread else {"low": row.low, "high": row.high, "spread": curve.spread}
    told = {"name": curve.name, "metric": curve.metric, "item": row.item or "mean of all", "at": row.at, "n": row.n}
    return seen | told | ends | {
        "value": row.number, "text": text, "interval": interval or "none", "hollow": curve.hollow
    }  # fmt: skip


def _dash(look: Style) -> str:
    return " ".join(map(str, look.dash))


def _bars(bars: Sequence[Bar], x: alt.X, y: alt.Y, theme: Theme) -> list[alt.Chart]:
    if not bars:
        return []
    weak = {"condition": {"test": "datum.strong", "value": 0.3}, "value": 0.1}
    base = layers.of([vars(bar) for bar in bars]).transform_filter("datum.choice == shown")
    thick = base.mark_rule(color=theme.ink, strokeWidth=min(11, 230 / len(bars)) * theme.stretch, clip=True)
    return [thick.encode(x=x, y=_at("low", y), y2="high:Q", opacity=weak)]


def _at(field: str, y: alt.Y) -> alt.Y:
    """Return the same axis for another field."""
    other = y.copy()
    other.shorthand = f"{field}:Q"
    return other


def _names(curves: Sequence[Curve], x: alt.X, y: alt.Y, scale: Scale, theme: Theme) -> list[alt.Chart]:
    """Return the signs and names at the right end, pushed apart among those that are shown together."""
    import altair as alt

    gap, data = 1.3 * theme.font / (PLOT * theme.height(HEIGHT)), []
    for choice in dict.fromkeys(curve.choice for curve in curves):
        own = [(curve, *last) for curve in curves if curve.choice == choice and curve.named and (last := _last(curve))]
        places = spread([scale.share(row.number) for _, _, row in own], gap)
        data += [
            {
                "choice": choice, "text": curve.name, "x": x, "value": row.number, "place": scale.value(place),
                "shape": curve.look.shape, "color": curve.look.color or theme.ink, "opacity": curve.opacity,
            }
            for (curve, x, row), place in zip(own, places, strict=True)
        ]  # fmt: skip
    base, size, em = layers.of(data).transform_filter("datum.choice == shown"), theme.stretch, theme.font
    color, opacity = alt.Color("color:N", scale=None), alt.Opacity("opacity:Q", scale=None)
    end = alt.value({"expr": f"width + {0.9 * em}"})
    leader = base.mark_rule(strokeWidth=0.8 * size, opacity=0.45).encode(x=x, x2=end, y=y, y2="place:Q", color=color)
    named = base.encode(x=layers.right_end(), y="place:Q")
    sign = named.mark_point(size=52 * size**2, strokeWidth=1.6 * size, xOffset=1.3 * em)
    text = named.mark_text(align="left", baseline="middle", dx=1.9 * em, limit=WIDEST * em)
    shape = alt.Shape("shape:N", scale=None)
    return [leader, sign.encode(color=color, fill=color, opacity=opacity, shape=shape), text.encode(text="text:N")]


def _last(curve: Curve) -> tuple[str | float, Row] | None:
    return next(((x, row) for x, row in reversed(curve.points) if row is not None), None)
