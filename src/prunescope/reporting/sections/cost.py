"""Cost: three sparsities, multiply-adds in theory, and where the weights went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunescope.reporting.charts import kept
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.lines import Lines, draw
from prunescope.reporting.place import telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Note, Section, Table, Told, by_recipe, figures, matching, tabulate
from prunescope.reporting.wording import capitalised, listed, measured, plain, told

MASKS = (
    "Multiply-adds are counted from the masks. A mask sets weights to zero but stores and multiplies them all the "
    "same: by itself it makes no network smaller or faster. Time is saved only where whole filters are removed or "
    "the hardware skips zeros"
)
UNTIMED = ", so no latency is told here."
TIMED = (
    ". Filters that are pruned whole were removed for real, with the same outputs; the times are measured: medians "
    "over forward passes of the first network on one CPU thread; in grey the dense network. "
    "Masks of single weights leave little or nothing to remove."
)
MOST_LAYERS = 30
NAMES = {
    "sparsity": "of the prunable weights",
    "parameter_sparsity": "of all parameters",
    "multiply_add_sparsity": "of the multiply-adds",
}
SHRUNKEN = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "file_size": "file (kB)",
    "latency": "time of a batch (ms)",
    "measured_speedup": "measured speed-up",
}
AS_IS = {"latency": "time for an image (ms)", "speedup": "measured speed-up"}
QUANTITIES = (*NAMES, "parameters", "multiply_adds", "speedup")


def sentence(row: Row, parts: dict[str, Row | None], collapsed: Sequence[Row], removed: Row | None) -> str:
    """Say what is gone at one place: of prunable weights, of parameters, of multiply-adds; and time, if measured."""
    text = f"at {row.at} sparsity {row.recipe} removes {told(row.number, row.unit)} {NAMES['sparsity']}"
    rest = [f"{told(r.number, r.unit)} {NAMES[key]}" for key in list(NAMES)[1:] if (r := parts[key]) is not None]
    text += f", which are {listed(rest)}" if rest else ""
    dead = [r for r in collapsed if r.number > 0]
    text += "; masks alone make nothing faster"
    text += f", the pruned filters removed the speed-up is {removed.text}" if removed else ""
    if dead:
        first = min(dead, key=lambda r: r.sparsity)
        layers = "1 layer" if first.number == 1 else f"{plain(first.number)} layers"
        text += f". From {first.at} on {first.recipe} leaves {layers} of a network without any weight (mean over seeds)"
    return capitalised(text + ".")


def _adds_chart(reading: Reading, rows: Sequence[Row], chosen: Row | None) -> Chart | None:
    if chosen is None:
        return None
    left = [row._replace(value=1 - row.number, low=None, high=None) for row in rows]
    lines = Lines(rows=left, styles=reading.styles, axis="multiply-adds left (%, symlog)")
    text, _ = measured(1 - chosen.number, "share")
    return Chart(
        name="multiply-adds",
        title=f"In theory {chosen.recipe} at {chosen.at} needs {text} of the dense multiply-adds",
        description="Multiply-adds left, as a share of the dense network, against sparsity.",
        draw=lambda theme: draw(lines, theme),
    )


def _layer_chart(reading: Reading, rows: Sequence[Row], chosen: str) -> Chart | None:
    if not rows:
        return None
    rows = [row._replace(item=row.item.removesuffix(".weight")) for row in rows]
    layers = list(dict.fromkeys(row.item for row in rows))[:MOST_LAYERS]
    recipes = [name for name in reading.recipes if any(row.recipe == name for row in rows)]
    return Chart(
        name="layers",
        description="Share of weights kept by layer (rows, in network order) and sparsity (columns).",
        draw=lambda theme: kept.draw(rows, layers, theme),
        note=f"The first {MOST_LAYERS} layers." if len({row.item for row in rows}) > MOST_LAYERS else "",
        choices=tuple(Choice(name, name, _layer_title([r for r in rows if r.recipe == name])) for name in recipes),
        chosen=chosen,
    )


def _layer_title(rows: Sequence[Row]) -> str:
    """Say which layer keeps most and which least at the highest sparsity of one recipe."""
    top = max(row.sparsity for row in rows)
    ranked = sorted((row for row in rows if row.sparsity == top), key=lambda row: row.number)
    first, last = ranked[0], ranked[-1]
    most, least = (told(1 - row.number, "share") for row in (first, last))
    start = f"At {first.at} {first.recipe} keeps"
    if first.number == last.number:
        return f"{start} {most} of every layer"
    return f"{start} {most} of {first.item} and {least} of {last.item}"


def _table(reading: Reading, rows: Sequence[Row]) -> Table:
    parts = [[row._replace(floor=None) for row in reading.pruned("compression", name)] for name in QUANTITIES]
    names = (
        "sparsity",
        *("removed " + name for name in NAMES.values()),
        "parameters left",
        "multiply-adds left",
        "speed-up in theory",
    )
    return tabulate("Three sparsities and what is left", names, by_recipe(rows, parts), wide=True)


def _timed(reading: Reading, measure: str, columns: Mapping[str, str], title: str) -> tuple[Table, ...]:
    """Return the table of what a measure timed, if it did."""
    rows = reading.pruned(measure, "latency")
    if not rows:
        return ()
    parts = [reading.pruned(measure, name) for name in columns]
    return (tabulate(title, ("sparsity", *columns.values()), by_recipe(rows, parts), wide=True),)


def tell(reading: Reading) -> Told | None:
    """Return the section, if the masks were counted."""
    rows = reading.pruned("compression", "sparsity")
    if not rows:
        return None
    recipe, level, _ = telling(reading, reading.places("compression", "sparsity"))
    row = next(row for row in rows if (row.recipe, row.level) == (recipe, level))
    parts = {name: matching(reading.pruned("compression", name), recipe, level) for name in QUANTITIES}
    adds = reading.pruned("compression", "multiply_add_sparsity")
    layers = reading.pruned("compression", "sparsity", items=True)
    charts = figures(_adds_chart(reading, adds, parts["multiply_add_sparsity"]), _layer_chart(reading, layers, recipe))
    removed = matching(reading.pruned("shrinking", "measured_speedup"), recipe, level)
    text = sentence(row, parts, reading.pruned("compression", "collapsed"), removed)
    as_is = _timed(reading, "latency", AS_IS, "Measured as the networks are (floor: the dense networks)")
    shrunken = _timed(reading, "shrinking", SHRUNKEN, "After the pruned filters are removed")
    note = Note(text=MASKS + (TIMED if shrunken else "." if as_is else UNTIMED))
    return Told(sentence=text, parts=(*charts, _table(reading, rows), *as_is, *shrunken, note))


SECTION = Section(key="cost", title="Cost", needs="the measure compression", tell=tell)
