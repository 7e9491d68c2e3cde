"""Similarities: the layers, metrics, places and floors of the representation measures, in telling order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.place import Where, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import number

NAMES = {"cka": "CKA", "nbs": "NBS", "svcca": "SVCCA", "pwcca": "PWCCA", "cca": "CCA"}
"""What the metrics are called; the first that was measured leads the section."""
QUANTITIES = ("similarity", "untrained", "permuted", "features", "dropped")

ByLayer = list[Row | None]
"""One row per layer in network order, None where a layer has no value."""


def merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """Return the names of all orders in one that keeps each, as far as they agree.

    Example:
        >>> merged([["a", "c"], ["a", "b", "c"], ["b", "d"]])
        ['a', 'b', 'd', 'c']
    """
    names: list[str] = []
    for order in orders:
        place = 0
        for name in order:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


class Similarities:
    """What the measures of representation say of the pruned networks.

    Attributes:
        reading: the study.
        metrics: those measured, in the order of ``NAMES``.
        layers: those with a value anywhere, in network order.
        recipes: the pruned ones with a value.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._rows: dict[tuple[str, str, str, str], dict[str, Row]] = {}
        for metric in NAMES:
            for quantity in QUANTITIES:
                for row in reading.of(metric, quantity, items=True):
                    self._rows.setdefault((metric, quantity, row.recipe, row.level), {})[row.item] = row
        told = [key for key in self._rows if key[1] == "similarity"]
        places = {(row.recipe, row.level): row.sparsity for rows in self._rows.values() for row in rows.values()}
        self.layers = merged(list(self._rows[key]) for key in sorted(told, key=lambda key: key[2] in reading.recipes))
        self.metrics = [name for name in NAMES if any(key[0] == name and key[2] in reading.recipes for key in told)]
        self.recipes = [name for name in reading.recipes if any(key[2] == name for key in told)]
        self._places: list[Where] = [(*key, places[key]) for key in dict.fromkeys(key[2:] for key in told)]

    def places(self, recipe: str) -> list[Where]:
        """Return the places of a recipe with a value by any metric, sparsities rising."""
        return sorted((place for place in self._places if place[0] == recipe), key=lambda place: place[2])

    def told(self, recipe: str = "") -> Where:
        """Return the place that tells most, of a recipe or of all."""
        wanted = [recipe] if recipe else self.recipes
        return telling(self.reading, [place for name in wanted for place in self.places(name)], recipe)

    def by_layer(self, metric: str, place: Where, quantity: str = "similarity") -> ByLayer:
        """Return the rows of a place."""
        rows = self._rows.get((metric, quantity, *place[:2]), {})
        return [rows.get(layer) for layer in self.layers]

    def measured(self, metric: str, place: Where) -> list[Row]:
        """Return the rows of the layers with a value at a place."""
        return [row for row in self.by_layer(metric, place) if row is not None]

    def by_metric(self, place: Where) -> dict[str, list[Row]]:
        """Return the metrics with a value at a place, and their rows."""
        return {metric: rows for metric in self.metrics if (rows := self.measured(metric, place))}

    def anywhere(self, metric: str, recipe: str, quantity: str) -> ByLayer:
        """Return the rows of a recipe at the highest sparsity where each layer has one."""
        found: ByLayer = [None] * len(self.layers)
        for place in self.places(recipe):
            rows = self.by_layer(metric, place, quantity)
            found = [row or before for row, before in zip(rows, found, strict=True)]
        return found

    def separate(self, metric: str, recipe: str) -> ByLayer:
        """Return two dense networks of different seeds by layer: their mean, the lowest and the highest pair."""
        rows = self.anywhere(metric, recipe, "similarity")
        return [None if row is None or row.floor is None else as_floor(row) for row in rows]

    def size(self, layer: str, quantity: str, place: Where) -> Row | None:
        """Return ``features`` or ``dropped`` of a layer at a place, by whichever metric has it."""
        i = self.layers.index(layer)
        return next((row for metric in self.metrics if (row := self.by_layer(metric, place, quantity)[i])), None)

    def width(self, layer: str) -> Row | None:
        """Return the width of a layer, from any recipe, level and metric."""
        rows = (rows[layer] for key, rows in self._rows.items() if key[1] == "features" and layer in rows)
        return next(rows, None)

    def grid(self, metric: str, place: Where) -> NDArray[np.float64] | None:
        """Return the similarity of every dense layer (rows) and every pruned layer with a value, if it was kept."""
        arrays = self.reading.material.arrays.get((*place[:2], self.reading.view, metric), {})
        return arrays.get("grid")


def as_floor(row: Row) -> Row:
    """Return a row's floor as a row of its own."""
    return row._replace(value=row.floor, low=row.floor_low, high=row.floor_high, floor=None)


def value(row: Row) -> str:
    """Return a similarity as text; three decimals, so that those of all metrics and layers compare."""
    return number(row.number, 3)


def lowest(rows: Sequence[Row]) -> Row:
    """Return the layer that changed most."""
    return min(rows, key=lambda row: row.number)


def disagreement(by_metric: dict[str, list[Row]]) -> tuple[Row, Row] | None:
    """Return the lowest and the highest similarity of the layer on which the metrics differ most."""
    by_layer: dict[str, list[Row]] = {}
    for row in (row for rows in by_metric.values() for row in rows):
        by_layer.setdefault(row.item, []).append(row)
    ends = [(lowest(rows), max(rows, key=lambda row: row.number)) for rows in by_layer.values() if len(rows) > 1]
    return max(ends, key=lambda pair: pair[1].number - pair[0].number, default=None)


def apart(ends: tuple[Row, Row]) -> str:
    """Say on which layer the metrics differ, from which value to which."""
    low, high = ends
    return f"{low.item}: {value(low)} ({NAMES[low.measure]}) to {value(high)} ({NAMES[high.measure]})"
