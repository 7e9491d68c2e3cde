"""From epoch to epoch: how every variant trained, which weights were zero, and what grew back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunescope.reporting.life_charts import size_chart, training_chart, zeros_chart
from prunescope.reporting.lives import MEASURE, lives
from prunescope.reporting.material import DENSE
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import (
    Group,
    Line,
    Note,
    Section,
    Table,
    Told,
    by_recipe,
    cell,
    figures,
    matching,
    tabulate,
)
from prunescope.reporting.wording import capitalised, told

ENDS = {
    "validation_accuracy": "validation accuracy",
    "train_accuracy": "training accuracy",
    "best_validation_accuracy": "best validation accuracy",
    "best_epoch": "at epoch",
    "zeros": "zeros",
}
REGROWTH = {
    "regrown_share": "pruned weights that grew back",
    "regrown_size": "their mean |w|",
    "relative_size": "relative to all weights",
}
PULLS = ("cross_entropy", "softmax_cross_entropy")
STAY = (
    "A weight without a gradient stays zero: behind units that never fire, and where a kernel reaches over the edge of "
    "a small image and meets nothing but padding."
)


def sentence(reading: Reading) -> str:
    """Say how much grew back where most had been pruned, and which variants ended best and worst."""
    parts = []
    grown = reading.of(MEASURE, "regrown_share")
    if grown:
        most = max(grown, key=lambda row: row.sparsity)
        size = matching(reading.of(MEASURE, "relative_size"), most.recipe, most.level)
        share = told(most.number, "share", most.low, most.high)
        large = (
            ""
            if size is None
            else f", to {told(size.number, 'ratio', size.low, size.high)} the mean |w| of all weights"
        )
        parts.append(f"of the {most.at} pruned in {most.recipe}, {share} grew back once the mask was lifted{large}")
    ends = reading.of(MEASURE, "validation_accuracy")
    if ends:
        best, worst = (choose(ends, key=lambda row: row.number) for choose in (max, min))
        parts.append(f"validation accuracy ends best with {_end(best)} and worst with {_end(worst)}")
        dense = matching(ends, DENSE, DENSE)
        parts[-1] += "" if dense is None else f"; dense ends at {told(dense.number, 'share', dense.low, dense.high)}"
    return capitalised("; ".join(parts) + ".") if parts else "Only the training loss was recorded."


def _end(row: Row) -> str:
    name = f"{row.recipe} at {row.at}" if row.sparsity else row.recipe
    return f"{name}, {told(row.number, 'share', row.low, row.high)}"


def _table(reading: Reading, caption: str, columns: Mapping[str, str]) -> Table | None:
    """Return a table of what was measured at all, with a line for every variant that has the first of it."""
    found = {name: rows for name in columns if (rows := reading.of(MEASURE, name))}
    if not found:
        return None
    groups = by_recipe(next(iter(found.values())), list(found.values()))
    return tabulate(caption, ("sparsity", *(columns[name] for name in found)), groups, wide=True)


def _gradients(reading: Reading) -> Table | None:
    """Return how hard all images, and those answered wrongly, pull at the logits, by the two losses."""
    whole = [reading.of("gradients", pull) for pull in PULLS]
    if not whole[0]:
        return None
    wrong = [[row for row in reading.of("gradients", pull, items=True) if row.item == "wrong"] for pull in PULLS]
    names = ("sparsity", "logits", "softmax", "logits, wrong images", "softmax, wrong images")
    caption = "Norm of the gradient of cross-entropy at the logits (nats), fed with logits or, by mistake, with softmax"
    return tabulate(caption, names, by_recipe(whole[0], [*whole, *wrong]), wide=True)


def _by_layer(reading: Reading) -> Table | None:
    """Return what grew back by layer, where most had been pruned."""
    shares = reading.of(MEASURE, "regrown_share", items=True)
    if not shares:
        return None
    most = max(shares, key=lambda row: row.sparsity)
    columns = [reading.of(MEASURE, name, recipe=most.recipe, level=most.level, items=True) for name in REGROWTH]
    lines: list[Line] = [
        (row.item.removesuffix(".weight"), f"{row.n:,}", *(cell(_item(column, row.item)) for column in columns))
        for row in columns[0]
    ]
    names = ("layer", "had been pruned", *REGROWTH.values())
    return tabulate(f"Regrowth by layer, {most.recipe} at {most.at}", names, [Group("", tuple(lines))], wide=True)


def _item(rows: Sequence[Row], item: str) -> Row | None:
    return next((row for row in rows if row.item == item), None)


def tell(reading: Reading) -> Told | None:
    """Return the section, if the training of any network was recorded."""
    seen = lives(reading)
    if not seen:
        return None
    charts = figures(training_chart(seen, reading.styles), zeros_chart(seen), size_chart(seen, reading.styles))
    layers = _by_layer(reading)
    tables = (
        _table(reading, "At the end of training: means over seeds with 95 % intervals", ENDS),
        _table(reading, "What grew back; the sparsity is what had been pruned", REGROWTH),
        layers,
        _gradients(reading),
    )
    notes = (Note(text=STAY),) if layers else ()
    return Told(sentence=sentence(reading), parts=(*charts, *filter(None, tables), *notes))


SECTION = Section(
    key="history", title="From epoch to epoch", needs="the measure history, and trainings that track", tell=tell
)
