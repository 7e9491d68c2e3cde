"""Calibration: whether confidence still matches accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.reporting.charts.chart import Chart
from prunescope.reporting.charts.lines import Lines, dense_levels, draw
from prunescope.reporting.place import telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Section, Table, Told, by_recipe, figures, floor_text, matching, tabulate
from prunescope.reporting.wording import capitalised, told

ERROR = "expected_calibration_error"


def certain(rise: Row) -> str:
    """Return ``rises`` or ``falls`` if the interval excludes no change, else nothing."""
    low, high = (rise.number if v is None else v for v in (rise.low, rise.high))
    return "rises" if low > 0 else "falls" if high < 0 else ""


def sentence(error: Row, rise: Row | None) -> str:
    """Say what pruning does to the calibration error at one place."""
    at = f"at {error.at} sparsity the calibration error of {error.recipe}"
    beside = "" if error.floor is None else f", beside {floor_text(error)} of the dense networks"
    if rise is None:
        return capitalised(f"{at} is {error.text}{beside}.")
    change = told(rise.number * 100, "points", *(None if v is None else v * 100 for v in (rise.low, rise.high)))
    if certain(rise):
        return capitalised(f"{at} {certain(rise)} by {change} to {error.text}{beside}.")
    return capitalised(f"{at} is {error.text}{beside}; the change of {change} is not certain.")


def _chart(reading: Reading, rows: Sequence[Row], rises: Sequence[Row]) -> Chart:
    levels = dense_levels(reading, "calibration", ERROR)
    lines = Lines(rows=rows, styles=reading.styles, axis="calibration error (%, symlog)", references=levels)
    first = min((row for row in rises if certain(row) == "rises"), key=lambda row: row.sparsity, default=None)
    return Chart(
        name="calibration",
        title="Confidence matches accuracy about as well as before, at every sparsity"
        if first is None
        else f"The first certain rise of the calibration error: {first.recipe} at {first.at}",
        description="Expected calibration error against sparsity, one line per recipe; dense networks dotted.",
        draw=lambda theme: draw(lines, theme),
    )


def _table(reading: Reading, rows: Sequence[Row], rises: Sequence[Row]) -> Table:
    groups = by_recipe(rows, [rows, rises, reading.pruned("calibration", "negative_log_likelihood")])
    names = ("sparsity", "calibration error", "rise", "log loss (nats)")
    return tabulate("Calibration (floor: the dense networks)", names, groups)


def tell(reading: Reading) -> Told | None:
    """Return the section, if calibration was measured."""
    rows, rises = reading.pruned("calibration", ERROR), reading.pruned("calibration", "rise")
    if not rows:
        return None
    recipe, level, _ = telling(reading, reading.places("calibration", ERROR))
    error = next(row for row in rows if (row.recipe, row.level) == (recipe, level))
    text = sentence(error, matching(rises, recipe, level))
    return Told(sentence=text, parts=(*figures(_chart(reading, rows, rises)), _table(reading, rows, rises)))


SECTION = Section(key="calibration", title="Calibration", needs="the measure calibration", tell=tell)
