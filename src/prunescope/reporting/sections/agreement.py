"""Same function?: agreement with the dense parent, with separately trained networks as a yardstick; flips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prunescope.reporting.charts import flips
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.lines import Lines, Reference, draw
from prunescope.reporting.gallery import FLIPS, wall
from prunescope.reporting.place import Where, label, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import (
    Group,
    Line,
    Section,
    Table,
    Told,
    by_recipe,
    figures,
    floor_text,
    matching,
    tabulate,
)
from prunescope.reporting.wording import bare_p, capitalised, counted, plain, told


def sentence(row: Row) -> str:
    """Say how much of the function is left, and measure it by two separately trained dense networks."""
    head = f"at {row.at} sparsity {row.recipe} predicts what its dense parent does on {row.text} of the images"
    if row.floor is None:
        return capitalised(f"{head}; one seed gives no second dense network to compare with.")
    yardstick = f"two dense networks from different seeds agree on {floor_text(row)}"
    return capitalised(f"{head}; {yardstick}, so pruning changed the function {beside(row)} another seed does.")


def beside(row: Row) -> str:
    """Say how the change by pruning compares with the change by another seed."""
    assert row.floor is not None
    low, high = (row.number if end is None else end for end in (row.low, row.high))
    bottom, top = (row.floor if end is None else end for end in (row.floor_low, row.floor_high))
    return "less than" if low > top else "more than" if high < bottom else "about as much as"


def _agreement_chart(reading: Reading, rows: Sequence[Row]) -> Chart:
    floored = next((row for row in rows if row.floor is not None), None)
    references = []
    if floored is not None and floored.floor is not None:
        references.append(Reference("two dense", floored.floor, floored.floor_low, floored.floor_high, dash=(6, 4)))
    lines = Lines(
        rows=rows, styles=reading.styles, axis="agreement (%, symlog from 100)", references=references, whole=True
    )
    return Chart(
        name="agreement",
        title=_agreement_title(reading, rows),
        description="Agreement with the dense parent against sparsity; band: two separately trained dense networks.",
        draw=lambda theme: draw(lines, theme),
    )


def _agreement_title(reading: Reading, rows: Sequence[Row]) -> str:
    if all(row.floor is None for row in rows):
        least = min(rows, key=lambda row: row.number)
        return f"{least.recipe} at {least.at} predicts as its parent does on {told(least.number, 'share')}"
    below = [row for row in rows if row.floor is not None and beside(row) == "more than"]
    first = min(below, key=lambda row: (reading.recipes.index(row.recipe), row.sparsity), default=None)
    if first is None:
        return "No pruned network is certainly further from its parent than another dense network would be"
    return f"From {first.at} sparsity {first.recipe} is further from its parent than another dense network would be"


def _flips_chart(reading: Reading, lost: Sequence[Row], won: Sequence[Row], chosen: str) -> Chart | None:
    recipes = [name for name in reading.recipes if any(row.recipe == name for row in lost)]
    if not recipes or not won:
        return None
    places = {name: telling(reading, reading.places("agreement", "lost"), name) for name in recipes}
    return Chart(
        name="flips",
        description="Images won (above zero) and lost (below) per network against sparsity, with 95 % intervals.",
        draw=lambda theme: flips.draw(won, lost, theme),
        choices=tuple(Choice(name, name, _flips_title(at, lost, won)) for name, at in places.items()),
        chosen=chosen,
    )


def _flips_title(at: Where, lost: Sequence[Row], won: Sequence[Row]) -> str:
    loss, gain = (matching(rows, *at[:2]) for rows in (lost, won))
    if loss is None or gain is None:
        return f"{at[0]}: images lost and won"
    images = counted(loss.n or 0, "image")
    return f"{label(at)} loses {plain(loss.number)} and wins {plain(gain.number)} of {images} per network"


def _table(rows: Sequence[Row], parts: Sequence[Sequence[Row]]) -> Table:
    changed, lost, won = parts
    tests = {(row.recipe, row.level): "–" if row.p is None else bare_p(row.p) for row in changed}
    groups = [
        Group(
            group.recipe, tuple((*line, tests.get((row.recipe, row.level), "–")) for line, row in _lines(group, rows))
        )
        for group in by_recipe(rows, [rows, lost, won])
    ]
    names = ("sparsity", "agreement", "lost per network", "won per network", "lost = won? (p)")
    return tabulate("Agreement and flips (floor: two separately trained dense networks)", names, groups, wide=True)


def _lines(group: Group, rows: Sequence[Row]) -> Iterator[tuple[Line, Row]]:
    return zip(group.lines, (row for row in rows if row.recipe == group.recipe), strict=True)


def tell(reading: Reading) -> Told | None:
    """Return the section, if agreement was measured."""
    rows = reading.pruned("agreement", "agreement")
    if not rows:
        return None
    recipe, level, _ = telling(reading, reading.places("agreement", "agreement"))
    chosen = next(row for row in rows if (row.recipe, row.level) == (recipe, level))
    changed, lost, won = (reading.pruned("agreement", name) for name in ("flips", "lost", "won"))
    charts = figures(_agreement_chart(reading, rows), _flips_chart(reading, lost, won, recipe))
    images = None if reading.pruned("pie", "rate") else wall(reading, FLIPS)
    parts = (*charts, *((images,) if images else ()), _table(rows, (changed, lost, won)))
    return Told(sentence=sentence(chosen), parts=parts)


SECTION = Section(key="function", title="Same function?", needs="the measure agreement", tell=tell)
