"""Robustness: how much can be pruned before a shift of the images hurts more than it hurts the dense network."""

from __future__ import annotations

from prunescope.reporting.pictures import shift_pictures
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.robustness_charts import drops_chart, excess_chart, noise_chart, ranked_chart
from prunescope.reporting.section import Group, Section, Table, Told, cell, figures, tabulate
from prunescope.reporting.shifts import TEST, TRAIN, Shifts, called
from prunescope.reporting.wording import capitalised, counted


def sentence(seen: Shifts, recipe: str) -> str:
    """Say which view breaks first, beside the train distribution, how many do earlier, and how the excess grows."""
    rows = [row for row in seen.potentials(recipe) if row.item != seen.reading.view]
    train = seen.group(recipe, "mean", TRAIN)
    if not rows:
        row = seen.potentials(recipe)[0]
        return capitalised(f"{recipe} can be pruned to {row.text} on {called(row.item)}.")
    least = rows[0]
    text = f"{recipe} breaks first on {called(least.item)}, where its potential is {least.text}"
    if train is not None:
        lower = [row for row in rows if row.number < train.number]
        sure = [row for row in lower if row.high is not None and train.low is not None and row.high < train.low]
        text += f", beside {train.text} on the train distribution; {len(lower)} of {counted(len(rows), 'shift')} "
        text += f"{'allows' if len(lower) == 1 else 'allow'} less than that, {len(sure)} certainly"
    slope = next(iter(seen.reading.of("excess_error", "slope", recipe=recipe)), None)
    if slope is not None:
        text += f". The excess error grows by {slope.text} from the dense to a fully pruned network"
    return capitalised(text + ".")


def _table(seen: Shifts) -> Table:
    groups = []
    for recipe in seen.recipes:
        least = seen.potentials(recipe)[0]
        line = (
            cell(seen.group(recipe, "mean", TRAIN)),
            cell(seen.certain(recipe, seen.reading.view)),
            cell(seen.group(recipe, "mean", TEST)),
            cell(seen.group(recipe, "minimum", TEST)),
            called(least.item),
            cell(_slope(seen, recipe, "slope")),
            cell(_slope(seen, recipe, "slope_with_intercept")),
        )
        groups.append(Group(recipe, (line,)))
    names = (
        "potential, train distribution",
        "of it certain",
        "mean, test distribution",
        "minimum, test distribution",
        "lowest on",
        "excess error, slope (points)",
        "slope with intercept (points)",
    )
    return tabulate("Prune potential and excess error", names, groups, wide=True)


def _slope(seen: Shifts, recipe: str, quantity: str) -> Row | None:
    return next(iter(seen.reading.of("excess_error", quantity, recipe=recipe)), None)


def tell(reading: Reading) -> Told | None:
    """Return the section, if prune potentials were measured."""
    seen = Shifts(reading)
    if not seen.recipes:
        return None
    charts = figures(ranked_chart(seen), drops_chart(seen), noise_chart(seen), excess_chart(reading))
    pictures = shift_pictures(reading)
    return Told(
        sentence=sentence(seen, seen.recipes[0]), parts=(*charts, _table(seen), *([pictures] if pictures else []))
    )


SECTION = Section(key="robustness", title="Robustness", needs="the measure prune_potential", tell=tell)
