"""Layers: charts of plain records, put on top of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

    Drawing = alt.LayerChart | alt.FacetChart | alt.Chart


def of(records: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return an empty chart of some records."""
    return _altair().Chart(data(records))  # type: ignore[no-any-return]


def data(records: Sequence[Mapping[str, Any]]) -> Any:
    """Return the records as data that travels inside the chart."""
    return _altair().Data(values=list(records))


def right_end() -> Any:
    """Return the horizontal place of direct labels."""
    return _altair().XValue("width")


def stack(layers: Sequence[alt.Chart], height: int) -> Drawing:
    """Return the layers on top of each other, the first at the bottom."""
    return _altair().layer(*layers).properties(height=height)  # type: ignore[no-any-return]


def tips(fields: Sequence[tuple[str, str]]) -> list[alt.Tooltip]:
    """Return what is told when the pointer rests on a mark: (field, name)."""
    return [_altair().Tooltip(f"{field}:N", title=name) for field, name in fields]


def _altair() -> Any:
    """Import on use: it is slow to import, and only drawing needs it."""
    import altair

    return altair
