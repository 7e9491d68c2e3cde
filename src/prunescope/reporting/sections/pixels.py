"""Same pixels?: whether the pixels that one network needs are enough for another."""

from __future__ import annotations

import numpy as np

from prunescope.reporting.charts import heatmap
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.heatmap import Grid
from prunescope.reporting.pictures import network, pixel_pictures
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Group, Section, Table, Told, cell, figures, tabulate
from prunescope.reporting.wording import capitalised, plain

ARROW = " → "
WORDS = ("pixels of", "shown to", "confidence")


class Matrix:
    """Confidences by recipe, giving and receiving network."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        rows = reading.pruned("informative_pixels", "confidence", items=True)
        self.rows = {(row.recipe, *row.item.split(ARROW)): row for row in rows}
        self.recipes = [name for name in reading.recipes if any(recipe == name for recipe, _, _ in self.rows)]

    def names(self, recipe: str) -> list[str]:
        """Return the networks: dense, the pruned ones by sparsity, the separate one last."""
        given = dict.fromkeys(giving for own, giving, _ in self.rows if own == recipe)
        return ["dense", *sorted((n for n in given if n not in ("dense", "separate")), key=float)] + (
            ["separate"] if "separate" in given else []
        )

    def grid(self, recipe: str) -> Grid:
        """Return the confidences of a recipe's networks."""
        names = self.names(recipe)
        values = [[self.rows[recipe, giving, receiving].number for receiving in names] for giving in names]
        return Grid(recipe, [network(name) for name in names], np.array(values))


def sentence(seen: Matrix, recipe: str) -> str:
    """Say how sure a pruned network is on its parent's pixels, beside the parent and a separate network."""
    names = seen.names(recipe)
    levels = [name for name in names if name not in ("dense", "separate")]
    own, last = seen.rows[recipe, "dense", "dense"], seen.rows[recipe, "dense", levels[-1]]
    text = (
        f"on the pixels that the dense network needs, its {network(levels[-1])} sparse descendant under {recipe} gives "
        f"the true class {last.text}, the dense network itself {own.text}"
    )
    if "separate" not in names:
        return capitalised(f"{text}.")
    other = seen.rows[recipe, "dense", "separate"]
    closer = [name for name in levels if seen.rows[recipe, "dense", name].number > other.number]
    told = f"up to {network(closer[-1])} sparsity" if closer else "at no sparsity"
    return capitalised(f"{text} and a separately trained one {other.text}; {told} a descendant is surer than that.")


def _chart(seen: Matrix) -> Chart:
    grids = [seen.grid(recipe) for recipe in seen.recipes]
    names = list(dict.fromkeys(name for grid in grids for name in grid.layers if name not in ("dense", "separate")))
    order = ["dense", *sorted(names, key=lambda name: float(name.split()[0])), "separate"]
    return Chart(
        name="informative-pixels",
        description="Confidence of one network on the pixels that another needs, as a matrix.",
        note="Rows: whose pixels; columns: who sees them. Mean confidence in the true class.",
        draw=lambda theme: heatmap.draw(grids, order, theme, WORDS),
        choices=tuple(Choice(recipe, recipe, _title(seen, recipe)) for recipe in seen.recipes),
        chosen=seen.recipes[0],
    )


def _title(seen: Matrix, recipe: str) -> str:
    own = [seen.rows[recipe, name, name].number for name in seen.names(recipe)]
    return f"{recipe}: each network is {plain(100 * min(own))}–{plain(100 * max(own))} % sure on its own pixels"


def _table(seen: Matrix) -> Table:
    found: dict[tuple[str, str, str], Row] = {
        (quantity, row.recipe, row.item): row
        for quantity in ("sufficient", "never")
        for row in seen.reading.pruned("informative_pixels", quantity, items=True)
    }
    groups = [
        Group(
            recipe,
            tuple(
                (network(name), cell(found.get(("sufficient", recipe, name))), cell(found.get(("never", recipe, name))))
                for name in seen.names(recipe)
            ),
        )
        for recipe in seen.recipes
    ]
    names = ("network", "share of pixels that suffices", "images that never reach the threshold")
    return tabulate("Sufficient pixels by network", names, groups)


def tell(reading: Reading) -> Told | None:
    """Return the section, if informative pixels were measured."""
    seen = Matrix(reading)
    if not seen.recipes:
        return None
    recipe = seen.recipes[0]
    pictures = pixel_pictures(reading, recipe, seen.names(recipe))
    return Told(
        sentence=sentence(seen, recipe),
        parts=(*figures(_chart(seen)), _table(seen), *([pictures] if pictures else [])),
    )


SECTION = Section(key="pixels", title="Same pixels?", needs="the measure informative_pixels", tell=tell)
