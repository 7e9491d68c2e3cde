"""The short table of an audit: one row a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prunescope.study.battery import BASE

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("net", "measure", "value", "n", "low", "high")
PLAIN_VIEWS = ("", "test")


def audit_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return tidy rows as ``net, measure, value, n, low, high``: what was measured, over all networks of a name.

    ``net`` is the level, or the recipe where a number belongs to all its levels. ``measure`` is the quantity for what
    every audit measures, else ``measure.quantity``; then ``/item`` of a class or layer, and ``@view`` of a shifted
    view.

    Example:
        >>> row = {"measure": "agreement", "quantity": "flips", "level": "p50", "value": 7.0, "n": 100}
        >>> audit_table([row, {**row, "measure": "cka", "quantity": "mean", "view": "fog"}])["measure"].tolist()
        ['flips', 'cka.mean@fog']
    """
    import pandas as pd  # slow to import, and only tables need it

    whole = [row for row in rows if row.get("value") is not None and row.get("seed") is None]
    cells = [
        {"net": row.get("level") or row.get("recipe"), "measure": _name(row)} | {c: row.get(c) for c in COLUMNS[2:]}
        for row in whole
    ]
    kinds = {"value": "float64", "n": "Int64", "low": "float64", "high": "float64"}
    return pd.DataFrame(cells, columns=list(COLUMNS)).astype(kinds)


def _name(row: Mapping[str, Any]) -> str:
    measure, quantity = row["measure"], row["quantity"]
    name = quantity if measure in BASE or measure == quantity else f"{measure}.{quantity}"
    item = f"/{row['item']}" if row.get("item") else ""
    view = row.get("view") or ""
    return name + item + ("" if view in PLAIN_VIEWS else f"@{view}")
