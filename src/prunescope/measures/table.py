"""Tidy rows: one row for each Value of a Measurement."""

from __future__ import annotations

from typing import Any

from prunescope.core.errors import unknown_name
from prunescope.measures.card import MEASURES, Measurement, Value

WHERE = ("study", "recipe", "level", "sparsity", "view")
COLUMNS = (
    *WHERE,
    "measure",
    "quantity",
    "item",
    "seed",
    "value",
    "low",
    "high",
    "floor",
    "floor_low",
    "floor_high",
    "p",
    "n",
    "seeds",
    "unit",
    "better",
    "status",
    "reason",
)


def tidy(measure_name: str, measurement: Measurement, **where: Any) -> list[dict[str, Any]]:
    """Return one row for each value, or one row with status and reason when there is none.

    All rows have all :data:`COLUMNS`, in order; what does not apply is None. ``seed`` None means over all networks,
    ``item`` is empty for the whole. ``level`` is text ("dense", "0.9", "round 3"), ``sparsity`` a number,
    ``seeds`` the number of networks.

    Args:
        measure_name: a registered measure; its card gives unit and direction.
        measurement: what it returned.
        **where: any of ``study, recipe, level, sparsity, view, seeds``.

    Raises:
        PrunescopeError: for an unknown measure, or a place that is no column.

    Example:
        >>> rows = tidy("accuracy", Measurement(values=(Value(quantity="drop", value=0.5, n=9),)), view="test")
        >>> {column: rows[0][column] for column in ("view", "measure", "quantity", "value", "unit", "n", "low")}
        {'view': 'test', 'measure': 'accuracy', 'quantity': 'drop', 'value': 0.5, 'unit': 'points', 'n': 9, 'low': None}
    """
    name = MEASURES.get(measure_name).member_name
    for key in where:
        if key not in (*WHERE, "seeds"):
            raise unknown_name("column", key, (*WHERE, "seeds"))
    fixed = {"measure": name, "item": "", "status": measurement.status, "reason": measurement.reason, **where}
    if not measurement.values:
        return [_row(fixed)]
    return [_row({**fixed, **_numbers(name, value)}) for value in measurement.values]


def _numbers(name: str, value: Value) -> dict[str, Any]:
    quantities = MEASURES.get(name).card.quantities
    if value.quantity not in quantities:
        raise unknown_name(f"quantity of {name}", value.quantity, quantities)
    quantity = quantities[value.quantity]
    return {**vars(value), "unit": quantity.unit, "better": quantity.better}


def _row(known: dict[str, Any]) -> dict[str, Any]:
    return {column: known.get(column) for column in COLUMNS}
