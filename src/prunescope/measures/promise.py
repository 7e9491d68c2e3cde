"""The budget: promises about what pruning may cost."""

from __future__ import annotations

import math
from collections.abc import Mapping

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.measures.card import MEASURES


class Promise(Config):
    """A limit on one quantity of one measure, on every view that matches a pattern (``fnmatch``)."""

    measure: str
    quantity: str
    limit: float
    view: str = "test"


DEFAULT_BUDGET = (Promise(measure="accuracy", quantity="drop", limit=0.5),)


def parse_budget(budget: object) -> tuple[Promise, ...]:
    """Read a budget: ``{measure: {quantity: limit}}``, or ``{view pattern: {quantity of accuracy: limit}}``.

    A measure is judged on the view ``test``. A pattern is told by a ``/``, ``*``, ``?`` or ``[``. The card says whether
    the limit is a maximum or a minimum.

    Raises:
        PrunescopeError: for an unknown measure or quantity (with near names), a quantity without a direction, or a
            limit that is no number in its range.

    Example:
        >>> [p.view for p in parse_budget({"accuracy": {"drop": 0.5}, "corruption/*": {"drop": 2}})]
        ['test', 'corruption/*']
    """
    promises: list[Promise] = []
    for key, limits in _entries(budget, "{measure or view pattern: {quantity: limit}}", "budget"):
        if key.replace("-", "_") in MEASURES.names():
            measure, view = MEASURES.get(key).member_name, "test"
        elif any(sign in key for sign in "/*?["):
            measure, view = "accuracy", key
        else:
            raise unknown_name("measure or view pattern", key, MEASURES.names()).at("budget")
        for quantity, limit in _entries(limits, "{quantity: limit}", f"budget: {key}"):
            number = _checked_limit(measure, quantity, limit, f"budget: {key}")
            promises.append(Promise(measure=measure, quantity=quantity, limit=number, view=view))
    return tuple(promises)


def _entries(mapping: object, expected: str, where: str) -> list[tuple[str, object]]:
    if not isinstance(mapping, Mapping) or not mapping:
        raise PrunescopeError("cannot be read", expected=expected, got=repr(mapping)[:100], where=where)
    return [(str(key), value) for key, value in mapping.items()]


def _checked_limit(measure: str, quantity: str, limit: object, where: str) -> float:
    quantities = MEASURES.get(measure).card.quantities
    if quantity not in quantities:
        raise unknown_name(f"quantity of {measure}", quantity, quantities).at(where)
    card = quantities[quantity]
    if card.better == "neither":
        raise PrunescopeError("a quantity without a better side cannot be promised", got=quantity, where=where)
    low, high = card.range
    lower, upper = -math.inf if low is None else low, math.inf if high is None else high
    number = float(limit) if isinstance(limit, (int, float)) and not isinstance(limit, bool) else math.nan
    if not (math.isfinite(number) and lower <= number <= upper):
        expected = f"a number from {lower:g} to {upper:g} ({card.unit})"
        raise PrunescopeError("a limit out of range", expected=expected, got=repr(limit), where=f"{where}: {quantity}")
    return number
