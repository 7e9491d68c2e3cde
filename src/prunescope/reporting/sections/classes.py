"""Who is hurt: the drop of every class, sorted by damage, with corrected significance."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.reporting.charts import dots
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.dots import SIGNIFICANT
from prunescope.reporting.images import class_images
from prunescope.reporting.place import key, label, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Group, Section, Table, Told, cell, figures, tabulate
from prunescope.reporting.wording import bare_p, capitalised, counted, listed, plain

MOST_CLASSES = 40


def hurt(rows: Sequence[Row]) -> list[Row]:
    """Return the classes whose change is significant after correction, the most damaged first."""
    return sorted((row for row in rows if row.p is not None and row.p < SIGNIFICANT), key=_damage)


def _damage(row: Row) -> float:
    return -row.number


def sentence(rows: Sequence[Row]) -> str:
    """Say which classes lose at one place."""
    worst, found = min(rows, key=_damage), hurt(rows)
    lost = [row for row in found if row.number > 0]
    all_of = f"the {counted(len(rows), 'class', 'classes')}"
    if worst.number <= 0:
        head = f"at {worst.at} sparsity {worst.recipe} lowers the recall of none of {all_of}"
    else:
        head = f"at {worst.at} sparsity {worst.recipe} hurts class {worst.item} most: its recall drops by {worst.text}"
    if not found:
        return capitalised(f"{head}; after correction no change of {all_of} is significant.")
    names = ", ".join(row.item for row in lost[:4]) + (", …" if len(lost) > 4 else "")
    losses = f"{len(lost)} of {all_of} {'loses' if len(lost) == 1 else 'lose'} significantly" + (
        f" ({names})" if lost else ""
    )
    gains = f" and {listed(row.item for row in found if row.number <= 0)} gain" if len(found) > len(lost) else ""
    return capitalised(f"{head}; after correction {losses}{gains}.")


def title(rows: Sequence[Row]) -> str:
    """Return the chart's statement about one place."""
    lost = [row for row in hurt(rows) if row.number > 0]
    at = f"{rows[0].recipe} at {rows[0].at}"
    return (
        f"{at}: {lost[0].item} loses {plain(lost[0].number)} points" if lost else f"{at}: no class loses significantly"
    )


def _table(rows: Sequence[Row], recalls: Sequence[Row]) -> Table:
    recall = {row.item: row for row in recalls if (row.recipe, row.level) == (rows[0].recipe, rows[0].level)}
    lines = tuple(
        (row.item, cell(recall.get(row.item)), cell(row), "–" if row.p is None else bare_p(row.p))
        for row in sorted(rows, key=_damage)[:MOST_CLASSES]
    )
    more = f"; the worst {MOST_CLASSES} of {len(rows)}" if len(rows) > MOST_CLASSES else ""
    caption = f"{rows[0].recipe} at {rows[0].at}{more} (floor: dense; dense against dense)"
    return tabulate(caption, ("class", "recall", "drop (points)", "corrected p"), [Group("", lines)])


def tell(reading: Reading) -> Told | None:
    """Return the section, if drops by class were measured."""
    rows = reading.pruned("accuracy", "drop", items=True)
    if not rows:
        return None
    places = reading.places("accuracy", "drop", items=True)
    recipe, level, _ = telling(reading, places)
    first = [row for row in rows if (row.recipe, row.level) == (recipe, level)]
    worst = {row.item for row in sorted(first, key=_damage)[:MOST_CLASSES]}
    drawn = [row for row in rows if row.item in worst]
    images = class_images(reading.material.gallery)
    at = {place: [row for row in rows if (row.recipe, row.level) == place[:2]] for place in places}
    chart = Chart(
        name="classes",
        description="Drop of recall by class, the most damaged first, with 95 % intervals; filled if significant.",
        draw=lambda theme: dots.draw(drawn, images, theme, theme.height(24 * len(worst) + 40)),
        note="Filled: significant after correction. Grey: what two halves of the dense networks differ by.",
        choices=tuple(Choice(key(*place[:2]), label(place), title(own)) for place, own in at.items()),
        chosen=key(recipe, level),
    )
    table = _table(first, reading.pruned("accuracy", "accuracy", items=True))
    return Told(sentence=sentence(first), parts=(*figures(chart), table))


SECTION = Section(
    key="classes",
    title="Who is hurt",
    needs="the measure accuracy on data with class labels",
    tell=tell,
)
