"""Section: one question of the page, and what it tells when its numbers are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prunescope.reporting.charts.chart import Chart
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import measured


class Cell(NamedTuple):
    """One number of a table: its text, its interval in brackets, its floor in grey."""

    text: str
    interval: str = ""
    floor: str = ""


Line = tuple["str | Cell", ...]

MOST_OPEN = 24


class Head(NamedTuple):
    """A column's name, and the floor that all its rows share."""

    name: str
    floor: str = ""


class Group(NamedTuple):
    """Rows of one recipe; without a recipe they stand alone."""

    recipe: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A small table beside a chart.

    Attributes:
        caption: what the rows are.
        head: its columns.
        groups: rows by recipe, one text or Cell per column.
        wide: True if it takes the width of the page.
    """

    caption: str
    head: tuple[Head, ...]
    groups: tuple[Group, ...]
    wide: bool
    kind: str = "table"

    @property
    def long(self) -> bool:
        """Whether the table has too many rows to stand open."""
        return sum(len(group.lines) for group in self.groups) > MOST_OPEN


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph that a reader must know."""

    text: str
    kind: str = "note"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart on the page."""

    chart: Chart
    kind: str = "figure"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image of the gallery."""

    uri: str
    place: str
    label: str
    dense: str
    pruned: str
    example: int
    hidden: bool
    depth: str = ""


@dataclass(frozen=True, kw_only=True)
class Wall:
    """The gallery: tiles, and what they can be filtered by.

    Attributes:
        places: (key, recipe and sparsity, how many are shown of how many).
        classes: class names that occur.
        tiles: images; the hidden ones belong to places that are not chosen first.
        note: how the images were chosen.
    """

    places: tuple[tuple[str, str, str], ...]
    classes: tuple[str, ...]
    tiles: tuple[Tile, ...]
    note: str
    kind: str = "gallery"


class Picture(NamedTuple):
    """A row of pictures: its name, what a reader must know of it, and the images as data URIs."""

    label: str
    note: str
    uris: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Rows of small images.

    Attributes:
        caption: what they show.
        heads: names of the columns; without them rows with a name stand side by side where there is room.
        rows: images side by side.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Picture, ...]
    kind: str = "pictures"


Part = Table | Note | Figure | Wall | Pictures


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a section tells: one sentence computed from the numbers, then pictures and tables."""

    sentence: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the page.

    Attributes:
        key: anchor on the page.
        title: heading.
        needs: what would produce it, for the line that names the sections left out.
        tell: returns what it tells, or None without its numbers.
    """

    key: str
    title: str
    needs: str
    tell: Callable[[Reading], Told | None]


SIGNS = ("share", "ratio", "count")


def cell(row: Row | None, *, floor: bool = True) -> Cell:
    """Return the table cell of a row; units that are words stand in the head, and what was not measured says so."""
    if row is None:
        return Cell("not measured")
    if row.value is None:
        return Cell(row.shown()[0])
    unit = row.unit if row.unit in SIGNS else ""
    value, interval = measured(row.value, unit, row.low, row.high)
    null = (
        ""
        if row.floor is None or not floor
        else " ".join(filter(None, measured(row.floor, unit, row.floor_low, row.floor_high)))
    )
    return Cell(value, interval, null)


def tabulate(caption: str, names: Sequence[str], groups: Sequence[Group], *, wide: bool = False) -> Table:
    """Return a table; a floor that is the same in all rows of a column moves to its head."""
    lines = [line for group in groups for line in group.lines]
    shared = [_shared_floor([line[i] for line in lines]) for i in range(len(names))]
    kept = tuple(Group(g.recipe, tuple(_without(line, shared) for line in g.lines)) for g in groups)
    head = tuple(Head(name, floor) for name, floor in zip(names, shared, strict=True))
    return Table(caption=caption, head=head, groups=kept, wide=wide)


def _shared_floor(column: Sequence[str | Cell]) -> str:
    floors = {part.floor for part in column if isinstance(part, Cell)}
    return floors.pop() if len(floors) == 1 and len(column) > 1 else ""


def _without(line: Line, shared: Sequence[str]) -> Line:
    return tuple(
        part._replace(floor="") if isinstance(part, Cell) and floor else part
        for part, floor in zip(line, shared, strict=True)
    )


def by_recipe(rows: Sequence[Row], columns: Sequence[Sequence[Row]], *, floors: bool = True) -> list[Group]:
    """Return one group per recipe with a line per level: sparsity, then the matching row of each column."""
    groups: dict[str, list[Line]] = {}
    for row in rows:
        cells = (cell(matching(column, row.recipe, row.level), floor=floors) for column in columns)
        groups.setdefault(row.recipe, []).append((row.at, *cells))
    return [Group(recipe, tuple(lines)) for recipe, lines in groups.items()]


def matching(rows: Sequence[Row], recipe: str, level: str) -> Row | None:
    """Return the row of a recipe at a level."""
    return next((row for row in rows if row.recipe == recipe and row.level == level), None)


def figures(*charts: Chart | None) -> tuple[Figure, ...]:
    """Return the charts that are there as parts of a section."""
    return tuple(Figure(chart=chart) for chart in charts if chart is not None)


def floor_text(row: Row) -> str:
    """Return a row's floor with its interval."""
    assert row.floor is not None
    return " ".join(filter(None, measured(row.floor, row.unit, row.floor_low, row.floor_high)))
