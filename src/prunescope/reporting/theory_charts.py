"""The charts of theory: learning curves on their equations, maps of overlaps, errors beside closed forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import heatmap, layers, learning
from prunescope.reporting.charts.axis import position
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.heatmap import Grid
from prunescope.reporting.charts.learning import Path
from prunescope.reporting.charts.lines import Lines, dense_levels
from prunescope.reporting.charts.lines import draw as draw_lines
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.place import Where, key, label
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import counted, number, plain, told

if TYPE_CHECKING:
    import altair as alt

    from prunescope.reporting.charts.layers import Drawing

STUDENTS, LEARNING = "order_parameters", "learning_curve"
MOST_CELLS = 20_000
DASHES = {"random edges": (9, 4), "random nodes": (2, 3), "best nodes": (9, 3, 2, 3)}
"""Closed forms that are drawn, and their dashes."""
WORDS = ("weights of", "overlap with", "|overlap|")
MAP_NOTE = (
    "Absolute values of means over students and masks, signs taken out; students in the blocks of their teachers; "
    "numbers above 1 in the colour of 1."
)

Array = NDArray[np.float64]


def learning_chart(reading: Reading) -> Chart | None:
    """Return the learning curves of all students, if any learned online."""
    found = [arrays for place, arrays in reading.material.arrays.items() if place[3] == LEARNING]
    if not found:
        return None
    arrays = found[0]
    paths = [
        Path(f"{seed}", arrays["time"], errors, theory)
        for seed, errors, theory in zip(arrays["seeds"], arrays["errors"], arrays["theory"], strict=True)
    ]
    row = reading.of(LEARNING, "deviation")[0]
    assert row.floor is not None
    far = told(row.number, "", row.low, row.high)
    return Chart(
        name="learning-curves",
        title=f"Overlaps stay {far} from the differential equations on average; 1/√N is {number(row.floor, 3)}",
        description="Generalisation error of each student against samples per input, and the differential equations.",
        draw=lambda theme: learning.draw([_positive(path) for path in paths], theme),
        note=f"Points: {counted(len(paths), 'student')}. Lines: the equations of infinite N from each student's first "
        "stop on. A student may leave a plateau earlier or later than its line.",
    )


def _positive(path: Path) -> Path:
    """Keep what a logarithmic axis can show: the first stop is late enough, and errors of 0 are rounding."""
    least = 1e-12
    return path._replace(errors=np.maximum(path.errors, least), theory=np.maximum(path.theory, least))


def map_chart(reading: Reading) -> Chart | None:
    """Return |Q|, |R| and T of dense and pruned students as one symmetric map, one place at a time."""
    places = _places(reading)
    grids: dict[Where, Grid] = {}
    names: list[str] = []
    dropped = 0
    for place in places:
        arrays = reading.material.arrays.get((*place[:2], "", STUDENTS))
        if arrays is None:
            continue
        whole, names = joint(arrays)
        if sum(grid.values.size for grid in grids.values()) + whole.size > MOST_CELLS:
            dropped += 1
            continue
        grids[place] = Grid(key(*place[:2]), names, whole)
    if not grids:
        return None
    drawn, shown = list(grids.values()), list(names)
    return Chart(
        name="order-parameters",
        description="Absolute overlaps of students and teachers: Q top left, R top right, T bottom right.",
        draw=lambda theme: heatmap.draw(drawn, shown, theme, WORDS),
        note=MAP_NOTE + (f" {counted(dropped, 'map')} left out for size." if dropped else ""),
        choices=tuple(Choice(grid.choice, label(place), _map_title(place, grid)) for place, grid in grids.items()),
        chosen=drawn[0].choice,
    )


def joint(arrays: Mapping[str, NDArray[Any]]) -> tuple[Array, list[str]]:
    """Return the absolute overlaps ``[[Q, R], [Rᵀ, T]]`` and the names of students and teachers."""
    q, r, t = arrays["q"], arrays["r"], arrays["t"]
    names = [f"student {i + 1}" for i in range(len(q))] + [f"teacher {n + 1}" for n in range(len(t))]
    return np.abs(np.block([[q, r], [r.T, t]])), names


def _places(reading: Reading) -> list[Where]:
    """Return where overlaps were measured: dense students first, then recipe by recipe."""
    rows = reading.of(STUDENTS, "error")
    dense = [row for row in rows if row.recipe not in reading.styles]
    rest = [row for row in rows if row.recipe in reading.styles]
    return [(row.recipe, row.level, row.sparsity) for row in (*dense, *rest)]


def _map_title(place: Where, grid: Grid) -> str:
    """Say how long students are, and how they overlap with their own teachers."""
    teachers = sum(name.startswith("teacher") for name in grid.layers)
    students = len(grid.layers) - teachers
    own = grid.values[:students, students:].max(axis=1).mean()
    length = np.diagonal(grid.values)[:students].mean()
    numbers = f"Q {plain(float(length))} on the diagonal, R {plain(float(own))} with the nearest teacher"
    return f"{label(place)}: {numbers}, on average"


def kept_rows(reading: Reading, quantity: str) -> list[Row]:
    """Return rows of pruned recipes with the share of weights that is really gone in place of the nominal sparsity."""
    kept = {(row.recipe, row.level): row.number for row in reading.pruned(STUDENTS, "kept")}
    rows = reading.pruned(STUDENTS, quantity, items=quantity == "ideal")
    moved = [row._replace(sparsity=1 - kept[row.recipe, row.level]) for row in rows]
    return sorted(moved, key=lambda row: (reading.recipes.index(row.recipe), row.sparsity))


def errors_chart(reading: Reading) -> Chart | None:
    """Return the error against the weights that are gone, for every recipe, beside the closed forms."""
    rows = [row for row in kept_rows(reading, "error") if row.sparsity > 0]
    if not rows:
        return None
    lines = Lines(
        rows=rows,
        styles={name: style for name, style in reading.styles.items() if any(row.recipe == name for row in rows)},
        axis="generalisation error (½Δ², symlog)",
        references=dense_levels(reading, STUDENTS, "error"),
        height=380,
    )
    forms = closed_forms(kept_rows(reading, "ideal"))

    def draw(theme: Theme) -> Drawing:
        return draw_lines(lines, theme, under=_drawn_forms(forms, lines, theme))

    told_forms = {"random edges": "long dashes", "random nodes": "dots", "best nodes": "dashes and dots"}
    named = [f"{name} ({how})" for name, how in told_forms.items() if name in forms]
    return Chart(
        name="theory-errors",
        title=errors_title(rows),
        description="Generalisation error against the share of weights removed, with the closed forms.",
        draw=draw,
        note="Closed forms of a converged student without retraining, in ink: " + ", ".join(named) + "."
        if forms
        else "",
    )


def errors_title(rows: Sequence[Row]) -> str:
    """Say which recipe loses least and which most where about half of the weights is gone."""
    half = [min((r for r in rows if r.recipe == name), key=lambda r: abs(r.sparsity - 0.5)) for name in _names(rows)]
    best, worst = (choose(half, key=lambda row: row.number) for choose in (min, max))
    if best is worst:
        return f"{best.recipe} at {best.at}: error {told(best.number, '', best.low, best.high)}"
    return (
        f"With {best.at} of the weights gone {best.recipe} loses least ({number(best.number)}), "
        f"{worst.recipe} most ({number(worst.number)})"
    )


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.recipe for row in rows))


def closed_forms(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the drawn closed forms, each once at every sparsity."""
    forms: dict[str, dict[float, Row]] = {}
    for row in rows:
        if row.item in DASHES:
            forms.setdefault(row.item, {}).setdefault(round(row.sparsity, 6), row)
    return {name: [own[s] for s in sorted(own)] for name, own in forms.items()}


def _drawn_forms(forms: Mapping[str, Sequence[Row]], lines: Lines, theme: Theme) -> list[alt.Chart]:
    marks = []
    for name, rows in forms.items():
        data = [{"x": position(row.sparsity), "distance": row.number, "name": name} for row in rows]
        base, dash = layers.of(data), list(DASHES[name])
        line = base.mark_line(color=theme.ink, strokeDash=dash, strokeWidth=1.4 * theme.stretch)
        marks.append(line.encode(x="x:Q", y=lines.span().axis(lines.axis)))
    return marks
