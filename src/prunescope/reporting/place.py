"""Places: which recipe and sparsity a chart of one place shows."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.reporting.reading import Reading
from prunescope.reporting.wording import sparsity

Where = tuple[str, str, float]
"""Recipe, level, sparsity."""


def key(recipe: str, level: str) -> str:
    """Return the value of the signal ``shown`` for a place."""
    return f"{recipe}\u241f{level}"


def label(place: Where) -> str:
    """Return what a place is called in a menu."""
    return f"{place[0]} at {sparsity(place[2])}"


def telling(reading: Reading, places: Sequence[Where], recipe: str = "") -> Where:
    """Return the place that tells most: where a recipe's first promise breaks, else its highest sparsity.

    Without a recipe it is the first one; a control is told only if there is nothing else.
    """
    recipe = recipe or next(
        (name for name in reading.recipes if any(place[0] == name for place in places)), places[0][0]
    )
    own = sorted((place for place in places if place[0] == recipe), key=_sparsity)
    verdict = reading.material.verdict
    known = () if verdict is None else verdict.recipes
    first = next((entry.first_to_break for entry in known if entry.recipe == recipe), None)
    return next((place for place in own if first is not None and place[1] == first.level), own[-1])


def _sparsity(place: Where) -> float:
    return place[2]
