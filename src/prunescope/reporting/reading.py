"""Reading the table of results: rows by measure and quantity, in the order the page tells them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from prunescope.measures.table import COLUMNS
from prunescope.reporting.charts.palette import Style, styles
from prunescope.reporting.material import DENSE, Material
from prunescope.reporting.wording import bare_p, measured, sparsity, told


class Row(NamedTuple):
    """One row of the table; numbers that are missing are None, texts that are missing are empty."""

    study: str
    recipe: str
    level: str
    sparsity: float
    view: str
    measure: str
    quantity: str
    item: str
    seed: int | None
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    floor_low: float | None
    floor_high: float | None
    p: float | None
    n: int | None
    seeds: int | None
    unit: str
    better: str
    status: str
    reason: str

    @property
    def number(self) -> float:
        """The value of a row that was measured."""
        assert self.value is not None
        return self.value

    @property
    def text(self) -> str:
        """Value, unit and interval."""
        return told(self.number, self.unit, self.low, self.high)

    @property
    def at(self) -> str:
        """The sparsity in words."""
        return sparsity(self.sparsity)

    def shown(self) -> tuple[str, str, str, str]:
        """Return the texts of value, interval, floor and p."""
        if self.value is None:
            return f"{self.status}: {self.reason}" if self.reason else self.status, "", "", ""
        value, interval = measured(self.value, self.unit, self.low, self.high)
        floor = (
            ""
            if self.floor is None
            else " ".join(filter(None, measured(self.floor, self.unit, self.floor_low, self.floor_high)))
        )
        return value, interval, floor, "" if self.p is None else bare_p(self.p)


TEXTS = frozenset(
    {"study", "recipe", "level", "view", "measure", "quantity", "item", "unit", "better", "status", "reason"}
)
WHOLE = frozenset({"seed", "n", "seeds"})


def read(records: Iterable[dict[str, Any]]) -> tuple[Row, ...]:
    """Return the rows of tidy records; None, NaN and pandas' missing values are one."""
    return tuple(Row(**{column: _clean(column, record[column]) for column in COLUMNS}) for record in records)


def _clean(column: str, value: Any) -> Any:
    missing = value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
    if column in TEXTS:
        return "" if missing else str(value)
    if missing or not math.isfinite(value):
        return 0.0 if column == "sparsity" else None
    return int(value) if column in WHOLE else float(value)


class Reading:
    """The material with its rows at hand.

    Attributes:
        material: what is read.
        rows: every row of the table.
        recipes: the pruned recipes in telling order, random controls last.
        dense_recipes: the dense ones that they are compared with.
        styles: colour, shape and dash of each recipe.
        view: the view the sections tell of.
    """

    def __init__(self, material: Material) -> None:
        self.material = material
        self.rows = read({str(k): v for k, v in record.items()} for record in material.table.to_dict("records"))
        self.dense_recipes = tuple(dict.fromkeys(material.dense_of.values())) or (DENSE,)
        present = dict.fromkeys(row.recipe for row in self.rows if row.recipe not in ("", *self.dense_recipes))
        told = [name for name in material.recipes if name in present] + [
            n for n in present if n not in material.recipes
        ]
        self.recipes = tuple(sorted(told, key=lambda name: name in material.controls))
        self.styles: dict[str, Style] = styles(self.recipes, material.controls)
        self.view = material.view or next((row.view for row in self.rows if row.view), "")

    @cached_property
    def _index(self) -> dict[tuple[str, str], list[Row]]:
        index: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            if row.value is not None and row.seed is None and row.view in ("", self.view):
                index.setdefault((row.measure, row.quantity), []).append(row)
        return index

    def of(self, measure: str, quantity: str, *, recipe: str = "", level: str = "", items: bool = False) -> list[Row]:
        """Return measured rows over all networks in the sections' view: of the whole, or of its items."""
        found = [
            row
            for row in self._index.get((measure, quantity), [])
            if bool(row.item) == items and recipe in ("", row.recipe) and level in ("", row.level)
        ]
        return sorted(found, key=self._order)

    def pruned(self, measure: str, quantity: str, *, items: bool = False) -> list[Row]:
        """Return the rows of pruned recipes only."""
        return [row for row in self.of(measure, quantity, items=items) if row.recipe in self.styles]

    def dense(self, measure: str, quantity: str, recipe: str = "") -> Row | None:
        """Return the row of the dense networks that a recipe is compared with, by default of the first recipe's."""
        name = self.material.dense_of.get(recipe, self.dense_recipes[0])
        return next(iter(self.of(measure, quantity, recipe=name)), None)

    def denses(self, measure: str, quantity: str) -> list[Row]:
        """Return the dense rows of a quantity, one for each dense recipe of which it was measured."""
        return [row for name in self.dense_recipes for row in self.of(measure, quantity, recipe=name)]

    def dense_name(self, recipe: str) -> str:
        """Return how a dense recipe is called beside the pruned ones: ``dense`` where there is only one."""
        return DENSE if len(self.dense_recipes) == 1 else recipe

    def has(self, measure: str) -> bool:
        """Tell whether any number of a measure is there."""
        return any(name == measure for name, _ in self._index)

    def places(self, measure: str, quantity: str, *, items: bool = False) -> list[tuple[str, str, float]]:
        """Return (recipe, level, sparsity) of everything pruned of which a quantity was measured."""
        rows = self.pruned(measure, quantity, items=items)
        return list(dict.fromkeys((row.recipe, row.level, row.sparsity) for row in rows))

    def _order(self, row: Row) -> tuple[int, float, str]:
        place = self.recipes.index(row.recipe) if row.recipe in self.styles else -1
        return place, row.sparsity, row.level
