"""What was forgotten: examples whose vote changes by pruning, beside the difference of two dense halves."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.reporting import overlaps
from prunescope.reporting.charts import subsets
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.lines import Lines, Reference, draw
from prunescope.reporting.gallery import wall
from prunescope.reporting.place import Where, key, label, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Section, Table, Told, by_recipe, figures, floor_text, matching, tabulate
from prunescope.reporting.wording import capitalised, counted, listed, told

SIGNIFICANT = 0.05


def beside(row: Row) -> str:
    """Say how a PIE rate compares with its floor; a rate without a floor compares with nothing."""
    if row.floor is None:
        return ""
    low, high = (row.number if end is None else end for end in (row.low, row.high))
    top = row.floor if row.floor_high is None else row.floor_high
    return "more than" if low > top else "no more than" if high <= top else "not certainly more than"


def sentence(rate: Row, count: Row | None, classes: Sequence[Row]) -> str:
    """Say how many examples the pruned networks vote differently on at one place, and against which floor."""
    of = "" if count is None else f" ({counted(round(count.number), 'image')} of {rate.n:,})"
    text = f"at {rate.at} sparsity {rate.recipe} changes the vote on {rate.text} of the images{of}"
    if rate.floor is not None:
        text += f", {beside(rate)} what two halves of the dense networks differ by ({floor_text(rate)})"
    often = [row.item for row in classes if row.p is not None and row.p < SIGNIFICANT and row.number > rate.number]
    if often:
        text += f"; {'class' if len(often) == 1 else 'classes'} {listed(often)} more often than the rest"
    return capitalised(text + ".")


def _floors(reading: Reading, rows: Sequence[Row]) -> list[Reference]:
    """Return what halves of the dense networks differ by, once for each dense recipe."""
    floors = {}
    for row in rows:
        dense = reading.dense_name(reading.material.dense_of.get(row.recipe, row.recipe))
        if row.floor is not None:
            floors[dense] = Reference(f"{dense} halves", row.floor, row.floor_low, row.floor_high, dash=(6, 4))
    return list(floors.values())


def _rate_chart(reading: Reading, rows: Sequence[Row]) -> Chart:
    lines = Lines(rows=rows, styles=reading.styles, axis="PIE rate (%, symlog)", references=_floors(reading, rows))
    above = [row for row in rows if beside(row) == "more than"]
    first = min(above, key=lambda row: (reading.recipes.index(row.recipe), row.sparsity), default=None)
    return Chart(
        name="pie-rate",
        title=f"From {first.at} sparsity {first.recipe} forgets more than chance between dense networks explains"
        if first
        else "No recipe certainly forgets more than dense networks differ among themselves",
        description="PIE rate against sparsity; band: one half of the dense networks against the other half.",
        draw=lambda theme: draw(lines, theme),
    )


def _subset_chart(reading: Reading, chosen: str) -> Chart | None:
    places = reading.places("pie", "pruned_accuracy", items=True)
    if not places:
        return None
    dense, pruned = (reading.pruned("pie", name, items=True) for name in ("dense_accuracy", "pruned_accuracy"))
    return Chart(
        name="pie-accuracy",
        description="Accuracy of dense and pruned networks on PIEs, on the others and on a random subset.",
        draw=lambda theme: subsets.draw(dense, pruned, reading.styles, theme),
        choices=tuple(Choice(key(*at[:2]), label(at), _subset_title(at, dense, pruned)) for at in places),
        chosen=chosen if any(key(*at[:2]) == chosen for at in places) else key(*places[-1][:2]),
    )


def _subset_title(at: Where, dense: Sequence[Row], pruned: Sequence[Row]) -> str:
    own = [[r for r in rows if r.item == "PIE" and (r.recipe, r.level) == at[:2]] for rows in (dense, pruned)]
    if not all(own):
        return f"{label(at)} has no PIEs"
    before, after = (told(rows[0].number, "share") for rows in own)
    return f"On the PIEs {label(at)} is right {after}, its dense parents {before}"


def _table(reading: Reading, rows: Sequence[Row], counts: Sequence[Row]) -> Table:
    names = ("sparsity", "PIEs", "PIE rate", "rate above the floor", "tied votes")
    groups = by_recipe(rows, [counts, rows, *(reading.pruned("pie", name) for name in ("excess", "ties"))])
    return tabulate("Pruning-identified exemplars (floor: dense halves against each other)", names, groups, wide=True)


def tell(reading: Reading) -> Told | None:
    """Return the section, if PIEs were measured."""
    rows = reading.pruned("pie", "rate")
    if not rows:
        return None
    recipe, level, _ = telling(reading, reading.places("pie", "rate"))
    counts, classes = reading.pruned("pie", "count"), reading.pruned("pie", "rate", items=True)
    rate = next(row for row in rows if (row.recipe, row.level) == (recipe, level))
    own = [row for row in classes if (row.recipe, row.level) == (recipe, level)]
    charts = figures(_rate_chart(reading, rows), _subset_chart(reading, key(recipe, level)))
    images = wall(reading)
    parts = (*charts, *overlaps.pictures(reading), *((images,) if images else ()), _table(reading, rows, counts))
    parts += overlaps.tables(reading)
    return Told(sentence=sentence(rate, matching(counts, recipe, level), own), parts=parts)


SECTION = Section(
    key="forgotten",
    title="What was forgotten",
    needs="the measure pie on at least two seeds",
    tell=tell,
)
