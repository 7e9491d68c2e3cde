"""Layers of networks that never ran: rows and grids of the similarity measures, and how a test reads what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.measures import MEASURES
from prunescope.measures.table import COLUMNS
from prunescope.reporting import Material
from prunescope.reporting.charts.chart import Chart
from prunescope.reporting.charts.theme import PAGE
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Figure, Note, Table, Told
from prunescope.reporting.sections import representation
from prunescope.reporting.similarities import NAMES

HOSTILE = "conv'2<b>"
LAYERS = ("conv1", HOSTILE, "conv3", "linear")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def rows_of(
    recipe: str, s: float, level: str, metrics: tuple[str, ...], layers: tuple[str, ...], seeds: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one place: the middle layers change most, and each metric sees another amount of it."""
    place = {"study": "s", "recipe": recipe, "level": level, "sparsity": s, "view": "test", "seeds": seeds}
    for m, metric in enumerate(metrics):
        gap = 0.004 / (1.003 - s) * (1 + m) / 5 * (recipe != "dense")
        values = {}
        for i, layer in enumerate(layers):
            depth = np.sin(np.pi * (i + 0.5) / len(layers))
            values[layer] = max(1 - gap * depth, 0.05)
            ends = (values[layer] - 0.03, min(values[layer] + 0.03, 1.0)) if seeds > 1 else (None, None)
            null = 0.9 - 0.2 * depth + 0.01 * m
            floor: tuple[float | None, ...] = (None,) * 3
            names = {"measure": metric, "item": layer, "n": 600}
            if seeds > 1:
                floor = (null, null - 0.03, null + 0.03)
            yield {**place, **names, **numbers("similarity", values[layer], ends, floor)}
            if seeds > 1:
                yield {**place, **names, **numbers("separate", null)}
            yield {**place, **names, **numbers("untrained", 0.9 - 0.6 * i / len(layers))}
            yield {**place, **names, **numbers("permuted", 0.05 * m)}
            yield {**place, **names, **numbers("features", 16.0 * (i + 1))}
            yield {**place, **names, **numbers("dropped", 2.5 if layer == "conv3" and s > 0.9 else 0.0)}
        yield {
            **place,
            "measure": metric,
            "item": "",
            "n": 600,
            **numbers("mean", float(np.mean(list(values.values())))),
        }


def numbers(quantity: str, value: float, ends: Any = (None, None), floor: Any = (None,) * 3) -> dict[str, Any]:
    told = dict(zip(("low", "high", "floor", "floor_low", "floor_high"), (*ends, *floor), strict=True))
    card = MEASURES.get("cka").card.quantities[quantity]
    return {"quantity": quantity, "value": value, **told, "status": "measured", "reason": "", "unit": card.unit}


def study(
    *,
    metrics: tuple[str, ...] = tuple(NAMES),
    layers: tuple[str, ...] = LAYERS,
    recipes: tuple[str, ...] = ("imp",),
    levels: tuple[float, ...] = LEVELS,
    seeds: int = 3,
    grids: bool = True,
    edit: Edit | None = None,
) -> Material:
    rows = list(rows_of("dense", 0.0, "dense", metrics, layers, seeds))
    arrays: dict[Any, dict[str, np.ndarray]] = {}
    distance = np.abs(np.subtract.outer(np.arange(len(layers)), np.arange(len(layers))))
    for recipe in recipes:
        for s in levels:
            rows += rows_of(recipe, s, str(s), metrics, layers, seeds)
            if grids:
                arrays |= {(recipe, str(s), "test", m): {"grid": 0.95 * 0.8**distance} for m in metrics}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Material(
        title="layers",
        recipes={"dense": "", **dict.fromkeys(recipes, "")},
        table=table if edit is None else edit(table),
        arrays=arrays,
        seeds=tuple(range(seeds)),
    )


def where(table: pd.DataFrame, **is_: object) -> pd.Series:
    found = pd.Series(True, index=table.index)
    for column, value in is_.items():
        found &= table[column] == value
    return found


def setting(column: str, value: float | None, **is_: object) -> Edit:
    """Return a function that sets a column of some rows."""

    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[where(table, **is_), column] = value
        return table

    return edit


def without(**is_: object) -> Edit:
    """Return a function that drops some rows."""
    return lambda table: table[~where(table, **is_)]


def tell(**parts: Any) -> Told:
    told = representation.tell(Reading(study(**parts)))
    assert told is not None
    return told


def spoken(told: Told) -> str:
    return told.sentence.replace("\u00a0", " ")


def charts(told: Told) -> dict[str, Chart]:
    return {part.chart.name: part.chart for part in told.parts if isinstance(part, Figure)}


def notes(told: Told) -> str:
    return " ".join(part.text for part in told.parts if isinstance(part, Note)).replace("\u00a0", " ")


def tables(told: Told) -> list[Table]:
    return [part for part in told.parts if isinstance(part, Table)]


def records(chart: Chart) -> list[dict[str, Any]]:
    """Return the points that the curves of a chart are drawn from."""
    return chart.specification(PAGE)["data"]["values"]  # type: ignore[no-any-return]
