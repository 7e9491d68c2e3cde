"""Everything: one table of all measurements, in plain HTML for the whole and as data for search, sorting and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.measures.table import COLUMNS
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import counted

HEAD = ("recipe", "sparsity", "view", "quantity", "of", "network", "value [95 %]", "floor", "p", "n")
SORTED = ("recipe", "sparsity", "view", "quantity", "item", "seed", "value", "floor", "p", "n")
NUMERIC = 6  # first column of numbers
MOST_ROWS = 12_000
MOST_PLAIN = 400


@dataclass(frozen=True, kw_only=True)
class Everything:
    """What the section shows.

    Attributes:
        sentence: how much was measured.
        head: column names.
        numeric: index of the first column of numbers.
        rows: texts of the rows that stand on the page without scripts.
        note: what is not on the page, empty if nothing is left out.
        data: columns and rows for search, sorting and download.
    """

    sentence: str
    head: tuple[str, ...]
    numeric: int
    rows: tuple[tuple[str, ...], ...]
    note: str
    data: dict[str, Any]


def gather(reading: Reading) -> Everything:
    """Return the table; if there are too many rows for one page, those of single networks are left out first."""
    ordered = sorted(reading.rows, key=lambda row: (row.seed is not None, bool(row.item)))
    kept = ordered[:MOST_ROWS]
    whole = [row for row in kept if row.seed is None and not row.item]
    data = {
        "columns": COLUMNS,
        "sorted": SORTED,
        "numeric": NUMERIC,
        "shown": [packed(column) for column in zip(*(texts(row) for row in kept), strict=True)],
        "raw": [packed(column) for column in zip(*kept, strict=True)],
    }
    return Everything(
        sentence=_sentence(reading.rows),
        head=HEAD,
        numeric=NUMERIC,
        rows=tuple(texts(row) for row in whole[:MOST_PLAIN]),
        note=_note(len(ordered), len(kept)),
        data=data,
    )


def packed(column: Sequence[Any]) -> dict[str, list[Any]]:
    """Return a column as its different values and where each stands: most values occur many times.

    Example:
        >>> packed(["test", "test", None])
        {'values': ['test', None], 'at': [0, 0, 1]}
    """
    index: dict[Any, int] = {}
    at = [index.setdefault(value, len(index)) for value in column]
    return {"values": list(index), "at": at}


def texts(row: Row) -> tuple[str, ...]:
    """Return the texts of one row in the order of ``HEAD``."""
    value, interval, floor, p = row.shown()
    network = "all" if row.seed is None else f"seed {row.seed}"
    quantity = row.quantity if row.quantity == row.measure else f"{row.measure} {row.quantity}"
    count = "" if row.n is None else f"{row.n:,}"
    number = f"{value} {interval}".strip()
    place = (row.recipe, row.at, row.view, quantity.replace("_", " ").strip(), row.item, network)
    return *place, number, floor, p, count


def _sentence(rows: Sequence[Row]) -> str:
    measured = sum(row.value is not None for row in rows)
    measures = len({row.measure for row in rows})
    rest = len(rows) - measured
    aside = f"; {counted(rest, 'row')} not applicable, with the reason" if rest else ""
    return f"{counted(measured, 'number')} from {counted(measures, 'measure')}, with interval, floor and n{aside}."


def _note(total: int, kept: int) -> str:
    if total == kept:
        return ""
    return (
        f"This page holds {kept:,} of {total:,} rows, those over all networks first; "
        "`prunescope results` writes them all."
    )
