"""Accuracy against sparsity: how far each recipe stays with the dense network."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.reporting.charts.chart import Chart
from prunescope.reporting.charts.lines import Lines, dense_levels, draw
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Figure, Section, Table, Told, by_recipe, figures, tabulate
from prunescope.reporting.wording import capitalised, counted, listed, plain, told

ACCURACY = ("accuracy", "accuracy")
MOST_TOLD = 3
TOLERANCE = 0.5  # points of accuracy, where the study promises nothing else


def standing(row: Row, limit: float) -> str:
    """Return whether a drop is certainly within a limit (``kept``), certainly beyond (``broken``) or ``unsure``."""
    low, high = (row.number if v is None else v for v in (row.low, row.high))
    return "kept" if high <= limit else "broken" if low > limit else "unsure"


def reach(rows: Sequence[Row], limit: float) -> str:
    """Say in words how far one recipe's drops, sparsity rising, stay within a limit.

    Example: "stays within 0.5 points of dense up to 90 % sparsity and loses more from 95 %".
    """
    states = [standing(row, limit) for row in rows]
    kept = next((i for i, state in enumerate(states) if state != "kept"), len(rows))
    broken = next((i for i, state in enumerate(states) if state == "broken"), None)
    within = f"within {plain(limit)} points of dense"
    far = kept > 0 and rows[kept - 1].sparsity > 0
    if kept == len(rows):
        return f"stays {within} up to {rows[kept - 1].at}, the highest sparsity measured"
    if broken is not None and not far and broken == kept:
        return f"falls further than {plain(limit)} points below dense already at {rows[broken].at}"
    start = (
        f"stays {within} up to {rows[kept - 1].at} sparsity" if far else f"is at no sparsity certain to stay {within}"
    )
    if broken is None:
        return f"{start}; beyond, the interval crosses that line" if far else start
    return f"{start} and certainly falls further from {rows[broken].at}"


def limit_of(reading: Reading) -> float:
    """Return the promised largest drop of accuracy in points."""
    verdict = reading.material.verdict
    promised = () if verdict is None else verdict.promises
    drops = [p.limit for p in promised if (p.measure, p.quantity, p.view) == ("accuracy", "drop", reading.view)]
    return drops[0] if drops else TOLERANCE


def sentence(reading: Reading, drops: Sequence[Row], limit: float) -> str:
    """Say how far accuracy holds: with every recipe, or of many with the best, the worst and the controls."""
    by_recipe = {name: [row for row in drops if row.recipe == name] for name in reading.recipes}
    told = {name: rows for name, rows in by_recipe.items() if rows}
    own = [name for name in told if name not in reading.material.controls]
    between = ""
    if len(own) > MOST_TOLD:
        ranked = sorted(own, key=lambda name: [standing(row, limit) == "kept" for row in told[name]].count(True))
        own = [ranked[-1], ranked[0]]
        between = f"; {counted(len(ranked) - 2, 'recipe lies', 'recipes lie')} between"
    controls = [name for name in told if name in reading.material.controls][:MOST_TOLD]
    parts = [f"with {name} accuracy {reach(told[name], limit)}" for name in (*own, *controls)]
    return capitalised(
        "; ".join([parts[0], *(part.replace("accuracy", "it", 1) for part in parts[1:])]) + between + "."
    )


def _accuracy_chart(reading: Reading, rows: Sequence[Row]) -> Chart:
    axis = "accuracy (%, symlog from 100)"
    lines = Lines(rows=rows, styles=reading.styles, axis=axis, references=dense_levels(reading, *ACCURACY), whole=True)
    return Chart(
        name="accuracy",
        title=_accuracy_title(reading, rows),
        description="Accuracy against sparsity with 95 % bands, one line per recipe; dense networks dotted.",
        draw=lambda theme: draw(lines, theme),
        note="Symlog axes show distances up to 1 evenly and larger ones by their logarithm: small losses stay visible.",
    )


def _accuracy_title(reading: Reading, rows: Sequence[Row]) -> str:
    """Return accuracy where the first recipe still keeps its promises, and at its highest sparsity."""
    dense = reading.dense(*ACCURACY, rows[0].recipe)
    own = [row for row in rows if row.recipe == rows[0].recipe]
    verdict = reading.material.verdict
    keeps = next((e.keeps for e in verdict.recipes if e.recipe == rows[0].recipe), None) if verdict else None
    last = [row for row in own if keeps is not None and row.sparsity <= keeps][-1:] + own[-1:]
    told_at = [f"{told(row.number, row.unit)} at {row.at}" for row in dict.fromkeys(last)]
    beside = f"; dense networks reach {told(dense.number, dense.unit)}" if dense else ""
    return f"{rows[0].recipe} reaches {listed(told_at)} sparsity{beside}"


def _drop_chart(reading: Reading, rows: Sequence[Row], limit: float) -> Chart | None:
    if not rows:
        return None
    lines = Lines(rows=rows, styles=reading.styles, axis="drop (points, symlog)", limit=limit)
    over = [row for row in rows if standing(row, limit) == "broken"]
    first = min(over, key=lambda row: row.sparsity, default=None)
    return Chart(
        name="accuracy-drop",
        title=f"The first certain loss of more than {plain(limit)} points: {first.recipe} at {first.at}"
        if first
        else f"No recipe certainly loses more than {plain(limit)} points",
        description="Drop of accuracy against the dense parent of the same seed, small and large drops on one axis.",
        draw=lambda theme: draw(lines, theme),
    )


def _table(reading: Reading, rows: Sequence[Row], drops: Sequence[Row]) -> Table:
    sizes = [reading.of("compression", quantity) for quantity in ("parameters", "multiply_adds")]
    bare = [[row._replace(floor=None) for row in part] for part in sizes]
    names = ("sparsity", "accuracy", "drop (points)", "parameters", "multiply-adds")
    denses = reading.denses(*ACCURACY)
    whole = by_recipe(denses, [denses, reading.of("accuracy", "drop"), *bare])
    groups = whole + by_recipe(rows, [rows, drops, *bare])
    return tabulate("Accuracy and size (floor: the dense networks; dense against dense)", names, groups, wide=True)


def tell(reading: Reading) -> Told | None:
    """Return the section, if accuracy was measured."""
    rows, drops = reading.pruned("accuracy", "accuracy"), reading.pruned("accuracy", "drop")
    if not rows:
        return None
    limit = limit_of(reading)
    charts: tuple[Figure, ...] = figures(_accuracy_chart(reading, rows), _drop_chart(reading, drops, limit))
    return Told(sentence=sentence(reading, drops, limit), parts=(*charts, _table(reading, rows, drops)))


SECTION = Section(
    key="accuracy",
    title="Accuracy against sparsity",
    needs="the measure accuracy on at least one pruned recipe",
    tell=tell,
)
