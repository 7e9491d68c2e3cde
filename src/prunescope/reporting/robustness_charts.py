"""The charts of robustness: potential by shift, drop by shift and sparsity, potential under noise, excess error."""

from __future__ import annotations

from typing import Any

from prunescope.reporting.charts import curves, drops, lines, ranked
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.curves import Curve, Scale
from prunescope.reporting.charts.drops import Square
from prunescope.reporting.charts.lines import Lines
from prunescope.reporting.charts.ranked import Bar
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.shifts import Shifts, called
from prunescope.reporting.wording import measured, plain

RULES = {
    "potential": "largest passing level",
    "interpolated": "between the levels",
    "monotone": "up to the first failure",
}
NOISE_FIELDS = (
    ("name", "recipe"),
    ("metric", "rule"),
    ("item", "view"),
    ("text", "potential"),
    ("interval", "95 % interval"),
    ("n", "images"),
)


def ranked_chart(seen: Shifts) -> Chart:
    """Return the potential of each view, one recipe at a time, beside that of the train distribution."""
    bars = [
        Bar(
            choice=recipe,
            item=called(row.item),
            value=100 * row.number,
            low=100 * (row.number if row.low is None else row.low),
            high=100 * (row.number if row.high is None else row.high),
            level=None if row.floor is None else 100 * row.floor,
            color=seen.reading.styles[recipe].color,
            plain=row.item == seen.reading.view,
            text=row.shown()[0],
            interval=row.shown()[1] or "none",
            n=row.n or 0,
        )
        for recipe in seen.recipes
        for row in seen.potentials(recipe)
    ]
    choices = tuple(Choice(recipe, recipe, _ranked_title(seen, recipe)) for recipe in seen.recipes)
    return Chart(
        name="potential",
        description="Prune potential of each view as ranked bars, with 95 % intervals.",
        note="The largest tested sparsity at which the error rises by no more than δ, the mean over the networks; "
        "bars with their 95 % intervals. Dashed: the train distribution.",
        draw=lambda theme: ranked.draw(bars, "prune potential (%)", theme),
        choices=choices,
        chosen=seen.recipes[0],
    )


def _ranked_title(seen: Shifts, recipe: str) -> str:
    rows = seen.potentials(recipe)
    least, most = rows[0], rows[-1]
    if least.number == most.number:
        return f"{recipe} can be pruned to {least.shown()[0]} on every view"
    ends = (f"{row.shown()[0]} on {called(row.item)}" for row in (most, least))
    return f"{recipe} can be pruned to {', to '.join(ends)}"


def drops_chart(seen: Shifts) -> Chart | None:
    """Return the drop of accuracy by view and sparsity, the views in the order of their potentials."""
    squares: list[Square] = []
    titles: dict[str, str] = {}
    for recipe in seen.recipes:
        found = seen.drops(recipe)
        rank = {row.item: place for place, row in enumerate(seen.potentials(recipe))}
        own = [_square(recipe, view, rank[view], row) for (view, _), row in found.items() if view in rank]
        if own:
            squares += own
            worst = max(own, key=lambda square: square.value)
            titles[recipe] = f"{recipe} loses most on {worst.item} at {worst.at}: {plain(worst.value)} points"
    if not squares:
        return None
    return Chart(
        name="drops-by-shift",
        description="Drop of accuracy by view and sparsity, as a map.",
        note="Points that pruning costs on each view, beside the dense parents on the same images.",
        draw=lambda theme: drops.draw(squares, theme),
        choices=tuple(Choice(recipe, recipe, title) for recipe, title in titles.items()),
        chosen=next(iter(titles)),
    )


def _square(recipe: str, view: str, rank: int, row: Row) -> Square:
    text, interval = measured(row.number, row.unit, row.low, row.high)
    return Square(recipe, called(view), rank, row.at, row.sparsity, row.number, text, interval or "none", row.n or 0)


def noise_chart(seen: Shifts) -> Chart | None:
    """Return the potential against the size of the noise, all recipes together; one rule at a time."""
    drawn = [
        Curve(
            choice=rule,
            name=recipe,
            metric=RULES[rule],
            points=[(size, row) for size, row in points],
            look=seen.reading.styles[recipe],
            spread="whiskers",
        )
        for rule in RULES
        for recipe in seen.recipes
        if len(points := seen.noisy(recipe, rule)) > 1
    ]
    if not drawn:
        return None
    rules = dict.fromkeys(curve.choice for curve in drawn)
    return Chart(
        name="potential-noise",
        description="Prune potential against the size of added noise, one line per recipe.",
        note="Noise in units of the pixel range [0, 1], the same for all networks.",
        draw=lambda theme: curves.draw(
            drawn, size_axis(drawn), Scale(-0.03, 1.03, ".0%"), "prune potential", theme, fields=NOISE_FIELDS
        ),
        choices=tuple(Choice(rule, RULES[rule], _noise_title(seen, rule)) for rule in rules),
        chosen=next(iter(rules)),
    )


def size_axis(drawn: list[Curve]) -> Any:
    """Return the axis of the field ``x`` for sizes of noise."""
    import altair as alt

    sizes = sorted({float(x) for curve in drawn for x, _ in curve.points})
    scale = alt.Scale(domain=[sizes[0], sizes[-1]], nice=False, padding=8)
    axis = alt.Axis(values=sizes, labelOverlap="greedy", grid=False, format="~g")
    return alt.X("x:Q", title="size ε of the added noise", scale=scale, axis=axis)


def _noise_title(seen: Shifts, rule: str) -> str:
    recipe = seen.recipes[0]
    points = seen.noisy(recipe, rule)
    (low, first), (high, last) = points[0], points[-1]
    change = f"{first.shown()[0]} at ε = {plain(low)}, {last.shown()[0]} at ε = {plain(high)}"
    return f"{recipe} can be pruned to {change}"


def excess_chart(reading: Reading) -> Chart | None:
    """Return the excess error against sparsity, one line per recipe."""
    rows = [row._replace(sparsity=float(row.item)) for row in reading.pruned("excess_error", "excess", items=True)]
    if not rows:
        return None
    rows.sort(key=lambda row: (reading.recipes.index(row.recipe), row.sparsity))
    drawn = Lines(rows=rows, styles=reading.styles, axis="excess error (points, symlog)")
    return Chart(
        name="excess-error",
        title=_excess_title(reading),
        description="Excess error of pruned networks under shift against sparsity, with 95 % bands.",
        note="How much further apart the errors on train and test distribution are than for the dense parents.",
        draw=lambda theme: lines.draw(drawn, theme),
    )


def _excess_title(reading: Reading) -> str:
    slopes = reading.pruned("excess_error", "slope")
    sure = [row for row in slopes if row.low is not None and row.low > 0]
    if not sure:
        return "No recipe is certainly hurt more by the shift the more is pruned"
    most = max(sure, key=lambda row: row.number)
    return f"The shift hurts {most.recipe} more the more is pruned: {most.text} at full sparsity"
