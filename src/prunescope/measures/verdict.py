"""The verdict: up to which sparsity the promises of a budget are kept, and which breaks first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.measures.promise import DEFAULT_BUDGET, Promise, parse_budget

__all__ = ["DEFAULT_BUDGET", "Cell", "Promise", "RecipeVerdict", "Verdict", "judge", "parse_budget"]

Row = Mapping[str, Any]
Status = Literal["kept", "unsure", "broken", "unmeasured"]
WORST_CLASS = "worst_class_"
ROUNDING = 1e-9


class Cell(Config):
    """One promise at one level: the worst of the views it speaks of.

    ``within`` says whether the value keeps the limit, ``status`` whether the whole interval does; ``excess`` is how
    far the value is beyond the limit (negative: inside). ``item`` is the class at fault, where there is one.
    """

    promise: Promise
    level: str
    sparsity: float
    status: Status
    within: bool
    view: str = ""
    item: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    excess: float | None = None
    unit: str = ""
    reason: str = ""


class RecipeVerdict(Config):
    """What one recipe keeps.

    ``keeps`` is the largest sparsity such that there and at every smaller level all promises are measured and kept
    by their values; ``low`` the same for whole intervals, ``high`` for intervals not wholly beyond. None: not even at
    the smallest level. ``first_to_break`` is the promise whose value crosses its limit at the smallest sparsity.
    """

    recipe: str
    cells: tuple[Cell, ...]
    keeps: float | None
    low: float | None
    high: float | None
    first_to_break: Cell | None

    @property
    def unmeasured(self) -> tuple[Cell, ...]:
        """The cells of which nothing is known, with their reasons."""
        return tuple(cell for cell in self.cells if cell.status == "unmeasured")

    def sentence(self) -> str:
        """Return the verdict in words."""
        told = [self._answer()]
        if self.first_to_break is not None:
            told.append(f"First to break: {_fault(self.first_to_break)}.")
        if self.unmeasured:
            cell = self.unmeasured[0]
            told.append(f"Not measured at {_percent(cell.sparsity)}: {_name(cell.promise)} ({cell.reason}).")
        return " ".join(told)

    def _answer(self) -> str:
        broken, missing = self.first_to_break, self.unmeasured
        unknown = bool(missing) and (broken is None or missing[0].sparsity < broken.sparsity)
        if self.keeps is None and unknown:
            return f"{self.recipe} cannot be judged."
        if not self.keeps and broken is not None and not unknown:
            return f"{self.recipe} breaks a promise already at {_percent(broken.sparsity)} sparsity."
        assert self.keeps is not None
        assert self.high is not None
        end = ", the highest level" if self.keeps == max(cell.sparsity for cell in self.cells) else ""
        if self.low is None:
            certain = f" (certain at no level, possible up to {_percent(self.high)})"
        else:
            between = f"{_percent(self.low).removesuffix(' %')}–{_percent(self.high)}"
            certain = f" ({between})" if self.low < self.high else ""
        return f"{self.recipe} keeps every promise up to {_percent(self.keeps)} sparsity{certain}{end}."


class Verdict(Config):
    """The verdict on all recipes; ``kept`` when every promise is measured and kept by its value at every level."""

    promises: tuple[Promise, ...]
    recipes: tuple[RecipeVerdict, ...]
    kept: bool

    def __getitem__(self, recipe: str) -> RecipeVerdict:
        for verdict in self.recipes:
            if verdict.recipe == recipe:
                return verdict
        raise unknown_name("recipe", recipe, [verdict.recipe for verdict in self.recipes])

    def sentence(self, recipe: str) -> str:
        """Return the verdict on one recipe in words."""
        return self[recipe].sentence()


def judge(rows: Iterable[Row], promises: Sequence[Promise]) -> Verdict:
    """Judge tidy rows (see :func:`prunescope.measures.tidy`) by promises, recipe by recipe.

    A cell is one promise at one level: "kept" when the whole interval is within the limit, "broken" when all of it
    is beyond, "unsure" between, and "unmeasured", with the reason, when a view that the promise speaks of has no
    value there. Equality keeps a promise. A value without interval is taken as exact. Rows without level
    or without recipe are no cells.

    Raises:
        PrunescopeError: for no promise, NaN in a row, or a level with two sparsities.

    Example:
        >>> row = {"recipe": "imp", "level": "0.9", "sparsity": 0.9, "view": "test", "measure": "accuracy"}
        >>> row |= {"quantity": "drop", "value": 0.4, "low": 0.1, "high": 0.7, "unit": "points", "better": "lower"}
        >>> judge([row], DEFAULT_BUDGET).sentence("imp")
        'imp keeps every promise up to 90 % sparsity (certain at no level, possible up to 90 %), the highest level.'
    """
    if not promises:
        raise PrunescopeError("a verdict needs at least one promise", got=0)
    known = [_checked_row(row) for row in rows]
    views = {row["view"] for row in known if row.get("view") is not None}
    recipes = dict.fromkeys(row["recipe"] for row in known if row.get("level") is not None and row.get("recipe"))
    verdicts = [_judge_recipe(r, [row for row in known if row.get("recipe") == r], promises, views) for r in recipes]
    kept = bool(verdicts) and all(cell.within for verdict in verdicts for cell in verdict.cells)
    return Verdict(promises=tuple(promises), recipes=tuple(verdicts), kept=kept)


def _checked_row(row: Row) -> Row:
    for column in ("value", "low", "high", "seed", "sparsity"):
        number = row.get(column)
        if isinstance(number, float) and not math.isfinite(number):
            remedy = "What is not known is None in a row, not NaN"
            raise PrunescopeError("a row is not finite", got=number, where=column, remedy=remedy)
    return row


def _judge_recipe(recipe: str, rows: list[Row], promises: Sequence[Promise], views: set[str]) -> RecipeVerdict:
    levels: dict[str, float] = {}
    for row in rows:
        if row.get("level") is not None and levels.setdefault(row["level"], row["sparsity"]) != row["sparsity"]:
            got = f"{levels[row['level']]} and {row['sparsity']}"
            raise PrunescopeError("a level has two sparsities", got=got, where=f"{recipe}, level {row['level']}")
    cells = [
        _cell(promise, level, sparsity, [row for row in rows if row.get("level") == level], views)
        for level, sparsity in sorted(levels.items(), key=lambda item: item[1])
        for promise in promises
    ]
    crossed = [cell for cell in cells if cell.excess is not None and not cell.within]
    return RecipeVerdict(
        recipe=recipe,
        cells=tuple(cells),
        keeps=_up_to(cells, lambda cell: cell.within),
        low=_up_to(cells, lambda cell: cell.status == "kept"),
        high=_up_to(cells, lambda cell: cell.status in ("kept", "unsure")),
        first_to_break=min(crossed, key=lambda cell: (cell.sparsity, -_relative_excess(cell)), default=None),
    )


def _up_to(cells: list[Cell], good: Callable[[Cell], bool]) -> float | None:
    """Return the largest sparsity up to which all cells are good."""
    bad = min((cell.sparsity for cell in cells if not good(cell)), default=math.inf)
    return max((cell.sparsity for cell in cells if cell.sparsity < bad), default=None)


def _relative_excess(cell: Cell) -> float:
    assert cell.excess is not None
    return cell.excess / abs(cell.promise.limit) if cell.promise.limit else math.inf


def _cell(promise: Promise, level: str, sparsity: float, rows: list[Row], views: set[str]) -> Cell:
    """Judge one promise at one level on every view it speaks of, and return the worst; some measures see no view."""
    mine = [row for row in rows if row.get("measure") == promise.measure]
    found: list[Cell] = []
    viewless = bool(mine) and all(row.get("view") is None for row in mine)  # a measure of weights alone
    for view in [None] if viewless else sorted(view for view in views if fnmatchcase(view, promise.view)):
        here = [row for row in mine if row.get("view") == view and row.get("seed") is None]
        whole = [row for row in here if row.get("quantity") == promise.quantity and not row.get("item")]
        known = [row for row in whole if row.get("value") is not None]
        found += [_judged(promise, level, sparsity, row, _culprit(promise, here)) for row in known]
        if not known:
            told = (str(row["reason"]) for row in mine if row.get("view") == view and row.get("reason"))
            reason = next(told, "no value" if view is None else f"no value on view {view}")
            found.append(_unmeasured(promise, level, sparsity, reason, view or ""))
    if not found:
        return _unmeasured(promise, level, sparsity, f"no view matches {promise.view!r}", "")
    return max(found, key=_badness)


def _badness(cell: Cell) -> tuple[bool, bool, bool, bool, float]:
    """Order the views of a cell: surely broken, beyond by value, unknown, unsure, then nearest to the limit."""
    missing, beyond = cell.status == "unmeasured", cell.status != "unmeasured" and not cell.within
    excess = -math.inf if cell.excess is None else cell.excess
    return cell.status == "broken", beyond, missing, cell.status == "unsure", excess


def _unmeasured(promise: Promise, level: str, sparsity: float, reason: str, view: str) -> Cell:
    place = {"level": level, "sparsity": sparsity, "view": view}
    return Cell(promise=promise, status="unmeasured", within=False, reason=reason, **place)


def _culprit(promise: Promise, rows: list[Row]) -> str:
    """Return the class behind the worst one: the item with the largest value of the same quantity by class."""
    quantity = promise.quantity.removeprefix(WORST_CLASS)
    items = [row for row in rows if row.get("item") and row["quantity"] == quantity != promise.quantity]
    return str(max(items, key=lambda row: row["value"])["item"]) if items else ""


def _judged(promise: Promise, level: str, sparsity: float, row: Row, item: str) -> Cell:
    """Compare value and interval with the limit; what differs by rounding is equal."""
    better, value = row.get("better"), row["value"]
    if better not in ("lower", "higher"):
        raise PrunescopeError("a quantity without a better side cannot be promised", got=promise.quantity)
    sign, slack = (1 if better == "lower" else -1), ROUNDING * max(1.0, abs(promise.limit))
    ends = [value, *(row[end] for end in ("low", "high") if row.get(end) is not None)]
    excesses = [sign * (end - promise.limit) for end in ends]
    status: Status = "kept" if max(excesses) <= slack else "broken" if min(excesses) > slack else "unsure"
    return Cell(
        promise=promise,
        level=level,
        sparsity=sparsity,
        status=status,
        within=excesses[0] <= slack,
        view=row["view"] or "",
        item=item,
        value=value,
        low=row.get("low"),
        high=row.get("high"),
        excess=excesses[0],
        unit=row.get("unit") or "",
    )


def _percent(share: float) -> str:
    """Write a sparsity so that 99 and 99.9 % stay apart."""
    return f"{100 * share:.{3 if share < 0.99 else 5}g} %"


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.3g} %"
    return f"{value:.3g}" + (f" {unit}" if unit not in ("count", "ratio", "") else "")


def _name(promise: Promise) -> str:
    words = [promise.measure] if promise.measure == promise.quantity else [promise.measure, promise.quantity]
    return " ".join(words).replace("_", " ") + ("" if promise.view == "test" else f" on {promise.view}")


def _fault(cell: Cell) -> str:
    """Say what broke: a drop as a change of what dropped, anything else by its name."""
    promise, value = cell.promise, cell.value or 0.0
    if promise.quantity.removeprefix(WORST_CLASS) == "drop":
        subject = f"class {cell.item}, recall" if cell.item else promise.measure.replace("_", " ")
        change = f"{subject} {'−' if value > 0 else '+'}{_number(abs(value), cell.unit)}"
        told = change + ("" if cell.view in ("", "test") else f" on {cell.view}")
        return f"{told} (limit {promise.limit:.3g})"
    return f"{_name(promise)} {_number(value, cell.unit)} (limit {_number(promise.limit, cell.unit)})"
