"""Do recipes forget the same images?: the overlap of their PIEs, by pair and by class, as parts of a section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import bars, heatmap
from prunescope.reporting.charts.bars import Bar
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.heatmap import Grid
from prunescope.reporting.place import Where, key, label, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Figure, Group, Line, Note, Part, Table, cell, figures, tabulate
from prunescope.reporting.wording import sparsity, told

WORDS = ("one half of the seeds under", "other half of the seeds under", "share of PIEs in common")
OVERLAP = "overlap"

Arrays = Mapping[str, NDArray[Any]]


def pictures(reading: Reading) -> tuple[Figure | Note, ...]:
    """Return the matrix of recipes, the bars by class, and what they tell, if overlaps were measured."""
    note = _note(reading)
    return (*figures(_matrix(reading), _classes(reading)), *((Note(text=note),) if note else ()))


def tables(reading: Reading) -> tuple[Part, ...]:
    """Return the table of pairs at the highest sparsity, if overlaps were measured."""
    rows = reading.of(OVERLAP, "misalignment", items=True)
    return (_table(reading, rows[-1].level),) if rows else ()


def _levels(reading: Reading) -> dict[str, list[Row]]:
    levels: dict[str, list[Row]] = {}
    for row in reading.of(OVERLAP, "half_jaccard", items=True):
        levels.setdefault(row.level, []).append(row)
    return levels


def _grid(level: str, rows: Sequence[Row]) -> Grid:
    """Return the symmetric matrix of one sparsity; what has no value stays 0 (nothing forgotten, nothing shared)."""
    names = list(dict.fromkeys(name for row in rows for name in row.item.split(" × ")))
    values = np.zeros((len(names), len(names)))
    for row in rows:
        i, j = (names.index(name) for name in row.item.split(" × "))
        values[i, j] = values[j, i] = row.number
    return Grid(level, names, values)


def _matrix(reading: Reading) -> Chart | None:
    levels = _levels(reading)
    if not levels:
        return None
    grids = [_grid(level, rows) for level, rows in levels.items()]
    names = list(dict.fromkeys(name for grid in grids for name in grid.layers))
    choices = tuple(
        Choice(grid.choice, f"at {sparsity(levels[grid.choice][0].sparsity)}", _matrix_title(grid)) for grid in grids
    )
    return Chart(
        name="overlap",
        description="Jaccard overlap of the PIEs of two recipes, halves of the seeds against the other halves.",
        note="On the diagonal a recipe with itself: PIEs of other seeds of one recipe are no more alike than that.",
        draw=lambda theme: heatmap.draw(grids, names, theme, WORDS),
        choices=choices,
        chosen=choices[-1].value,
    )


def _matrix_title(grid: Grid) -> str:
    apart = grid.values[~np.eye(len(grid.values), dtype=bool)].mean()
    itself = np.diag(grid.values).mean()
    return (
        f"Two recipes share {told(apart, 'share')} of their PIEs, one recipe with other seeds {told(itself, 'share')}"
    )


def _classes(reading: Reading) -> Chart | None:
    found = _by_place(reading)
    if not found or reading.material.gallery is None:
        return None
    names, records = reading.material.gallery.classes, []
    for place, (common, unique) in found.items():
        for kind, counts in (("common", common), ("unique", unique)):
            records += [Bar(key(*place[:2]), name, kind, int(n)) for name, n in zip(names, counts, strict=True)]
    recipe, level, _ = telling(reading, list(found))
    return Chart(
        name="pie-classes",
        description="PIEs of each class: those that another recipe has too, and those that only this one has.",
        draw=lambda theme: bars.draw(records, names, theme),
        choices=tuple(Choice(key(*at[:2]), label(at), _class_title(at, *found[at])) for at in found),
        chosen=key(recipe, level),
    )


def _class_title(place: Where, common: NDArray[Any], unique: NDArray[Any]) -> str:
    both, alone = int(common.sum()), int(unique.sum())
    if not both + alone:
        return f"{label(place)} forgets nothing"
    return f"{alone} of the {both + alone} images that {label(place)} forgets are forgotten by no other recipe"


def _by_place(reading: Reading) -> dict[Where, tuple[NDArray[Any], NDArray[Any]]]:
    """Return common and unique PIEs by class at every place, recipes in telling order."""
    found = {}
    sparsities = {(row.recipe, row.level): row.sparsity for row in reading.rows}
    for (recipe, level, view, measure), arrays in reading.material.arrays.items():
        if measure == OVERLAP and not recipe and view == reading.view:
            for name in reading.recipes:
                if f"common/{name}" in arrays:
                    place = name, level, sparsities[name, level]
                    found[place] = arrays[f"common/{name}"], arrays[f"unique/{name}"]
    order = reading.recipes.index
    return dict(sorted(found.items(), key=lambda item: (order(item[0][0]), item[0][2])))


def _note(reading: Reading) -> str:
    rows = reading.of(OVERLAP, "unique")
    if not rows:
        return ""
    row = rows[-1]
    assert row.floor is not None
    chance = told(row.floor, row.unit)
    return (
        f"At {row.at} sparsity {row.text} of all forgotten images are forgotten by one recipe alone; unrelated sets of "
        f"the same sizes would give {chance}."
    )


def _table(reading: Reading, level: str) -> Table:
    named = ("jaccard", "half_jaccard", "misalignment")
    columns = [{row.item: row for row in reading.of(OVERLAP, name, level=level, items=True)} for name in named]
    lines: list[Line] = [(item, *(cell(column.get(item)) for column in columns)) for item in columns[2]]
    at = sparsity(next(iter(columns[2].values())).sparsity)
    heads = ("recipes", "PIEs in common", "in halves of the seeds", "votes that differ")
    caption = f"Pairs of recipes at {at} (floors: unrelated sets; halves of their dense networks)"
    return tabulate(caption, heads, [Group("", tuple(lines))], wide=True)
