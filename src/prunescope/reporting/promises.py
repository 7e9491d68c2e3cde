"""The promise strip: sparsity from left to right, a row for each promise, kept, unsure or broken; and its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunescope.reporting.charts.palette import Style
from prunescope.reporting.reading import Reading
from prunescope.reporting.wording import MINUS, SPACE, measured, number, plain, sparsity, told, with_unit

if TYPE_CHECKING:
    from prunescope.measures.verdict import Cell, Promise, RecipeVerdict

NAMES = {
    ("accuracy", "drop"): "accuracy drop",
    ("accuracy", "worst_class_drop"): "worst class drop",
    ("agreement", "agreement"): "agreement",
    ("pie", "rate"): "PIE rate",
    ("pie", "excess"): "PIE rate above floor",
    ("calibration", "rise"): "calibration error rise",
}
ALL = "every promise"
UNPRUNED = "with nothing pruned."
DASH = "\u2060–\u2060"  # does not break a line
ORDER = ("broken", "unmeasured", "unsure", "kept")


@dataclass(frozen=True, kw_only=True)
class StripCell:
    """One promise at one sparsity; ``edge`` marks the first that is not kept after kept ones."""

    status: str
    text: str
    told: str
    edge: bool = False


@dataclass(frozen=True, kw_only=True)
class StripRow:
    """One promise from left to right."""

    promise: str
    limit: str
    cells: tuple[StripCell, ...]


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One recipe's answer: the parts of its sentence, and its strip.

    The sentence reads: name (about) ``before`` **figure** ``after`` First to break: *first*.
    """

    recipe: str
    about: str
    style: Style
    before: str
    figure: str
    after: str
    first: str
    levels: tuple[str, ...]
    rows: tuple[StripRow, ...]


def strips(reading: Reading) -> tuple[Strip, ...]:
    """Return the strip of every recipe that the verdict speaks of: controls behind others, unpruned ones last."""
    verdict = reading.material.verdict
    known = {} if verdict is None else {entry.recipe: entry for entry in verdict.recipes}
    told = [known[name] for name in reading.recipes if name in known]
    return tuple(strip(reading, verdict) for verdict in sorted(told, key=_unpruned))


def strip(reading: Reading, verdict: RecipeVerdict) -> Strip:
    """Return the strip of one recipe."""
    levels = list(dict.fromkeys((cell.level, cell.sparsity) for cell in verdict.cells))
    by_promise: dict[str, list[Cell]] = {}
    for cell in verdict.cells:
        by_promise.setdefault(repr(cell.promise), []).append(cell)
    rows = [_row(reading, cells) for cells in by_promise.values()]
    about = reading.material.recipes.get(verdict.recipe, "")
    before, figure, after = answer(verdict)
    return Strip(
        recipe=verdict.recipe,
        about="" if about == verdict.recipe else about,
        style=reading.styles[verdict.recipe],
        before=before,
        figure=figure,
        after=after,
        first="" if verdict.first_to_break is None else fault(verdict.first_to_break, reading.view),
        levels=tuple(sparsity(s) for _, s in levels),
        rows=(_summary(rows), *rows) if len(rows) > 1 else tuple(rows),
    )


def answer(verdict: RecipeVerdict) -> tuple[str, str, str]:
    """Return the sentence about one recipe in three parts: before the figure, the figure, after it."""
    missing, broken = verdict.unmeasured, verdict.first_to_break
    unknown = bool(missing) and (broken is None or missing[0].sparsity < broken.sparsity)
    if verdict.keeps is None and unknown:
        return "cannot be judged: a promise was not measured at its lowest level", "", ""
    if _unpruned(verdict):
        return "keeps" if broken is None else "breaks", "every promise" if broken is None else "a promise", UNPRUNED
    if not verdict.keeps:
        at = sparsity(broken.sparsity) if broken is not None else "its lowest level"
        return "breaks a promise already at", at, "sparsity."
    if verdict.low is None:
        sure = f" (certain at no level, possible up to {sparsity(verdict.high or verdict.keeps)})"
    else:
        high = verdict.keeps if verdict.high is None else verdict.high
        sure = (
            f" ({sparsity(verdict.low).removesuffix(f'{SPACE}%')}{DASH}{sparsity(high)})" if verdict.low < high else ""
        )
    last = ", the highest level measured" if verdict.keeps == max(cell.sparsity for cell in verdict.cells) else ""
    return "keeps every promise up to", sparsity(verdict.keeps), f"sparsity{sure}{last}."


def _unpruned(verdict: RecipeVerdict) -> bool:
    return all(cell.sparsity == 0 for cell in verdict.cells)


def fault(cell: Cell, view: str) -> str:
    """Say which promise broke: a drop as a change of what dropped, anything else by its name and limit."""
    value = cell.value or 0.0
    where = f" on {cell.view}" if cell.view not in ("", view) else ""
    at = f" at {sparsity(cell.sparsity)}"
    if cell.promise.quantity in ("drop", "worst_class_drop"):
        subject = f"class {cell.item}, recall" if cell.item else cell.promise.measure
        sign = MINUS if value > 0 else "+"
        return f"{subject} {sign}{with_unit(plain(abs(value)), cell.unit)}{where}{at}"
    return f"{name(cell.promise, view)} {told(value, cell.unit)}{at}"


def name(promise: Promise, view: str) -> str:
    """Return what a promise is called on the page."""
    parts = (promise.measure,) if promise.measure == promise.quantity else (promise.measure, promise.quantity)
    plain_name = NAMES.get((promise.measure, promise.quantity), " ".join(parts).replace("_", " "))
    return plain_name if promise.view in ("", view) else f"{plain_name} on {promise.view}"


def _row(reading: Reading, cells: list[Cell]) -> StripRow:
    promise = cells[0].promise
    unit = next((cell.unit for cell in cells if cell.unit), "")
    rows = (r for r in reading.rows if (r.measure, r.quantity) == (promise.measure, promise.quantity))
    higher = next((row.better == "higher" for row in rows), False)
    limit = f"{'≥' if higher else '≤'}{SPACE}{_limit(promise.limit, unit)}"
    shown = []
    for i, cell in enumerate(cells):
        edge = i > 0 and cell.status != "kept" and cells[i - 1].status == "kept"
        shown.append(StripCell(status=cell.status, text=_text(cell), told=_told(cell, limit), edge=edge))
    return StripRow(promise=name(promise, reading.view), limit=limit, cells=tuple(shown))


def _summary(rows: list[StripRow]) -> StripRow:
    """Return the row above all promises: the worst of each column."""
    cells: list[StripCell] = []
    for column in zip(*(row.cells for row in rows), strict=True):
        status = min((cell.status for cell in column), key=ORDER.index)
        at_fault = [row.promise for row, cell in zip(rows, column, strict=True) if cell.status == status]
        edge = bool(cells) and status != "kept" and cells[-1].status == "kept"
        text = "all promises kept" if status == "kept" else f"{status}: {', '.join(at_fault)}"
        cells.append(StripCell(status=status, text="", told=text, edge=edge))
    return StripRow(promise=ALL, limit="", cells=tuple(cells))


def _limit(limit: float, unit: str) -> str:
    return with_unit(plain(limit * 100 if unit == "share" else limit), unit)


def _text(cell: Cell) -> str:
    if cell.value is None:
        return ""
    if cell.unit == "share":
        return number(cell.value * 100, 1 if abs(cell.value) >= 0.0995 else 2)
    return number(cell.value, 1 if abs(cell.value) >= 9.95 else 2) if cell.unit != "count" else plain(cell.value)


def _told(cell: Cell, limit: str) -> str:
    if cell.value is None:
        return f"not measured: {cell.reason}"
    value = " ".join(filter(None, measured(cell.value, cell.unit, cell.low, cell.high)))
    item = f", class {cell.item}" if cell.item else ""
    return f"{cell.status}: {value}{item}; limit {limit}"
