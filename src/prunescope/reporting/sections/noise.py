"""Same function under noise?: how alike pruned network and parent stay when noise is added to the images."""

from __future__ import annotations

from prunescope.reporting.charts import curves
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.curves import Curve, Scale
from prunescope.reporting.charts.palette import Style
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.robustness_charts import size_axis
from prunescope.reporting.section import Section, Told, figures, floor_text
from prunescope.reporting.shifts import noise_size
from prunescope.reporting.wording import capitalised, plain, sparsity

QUANTITIES = {"agreement": "agreement", "softmax_l2": "distance of the probabilities"}
FIELDS = (
    ("name", "sparsity"),
    ("metric", "measured"),
    ("item", "view"),
    ("text", "value"),
    ("interval", "95 % interval"),
    ("n", "images"),
)
YARDSTICK = "two dense"


class Noisy:
    """Rows of similarity under noise by recipe, level and size of the noise; of the kind of noise named first."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        rows = [r for r in reading.rows if r.measure == "noise_similarity" and r.seed is None and r.value is not None]
        sized = [(size, row) for row in rows if (size := noise_size(row.view)) is not None]
        kind = sized[0][0][0] if sized else ""
        self.kind = kind
        self.rows = sorted(((size[1], row) for size, row in sized if size[0] == kind), key=lambda pair: pair[0])
        there = {row.recipe for _, row in self.rows}
        self.recipes = [name for name in reading.recipes if name in there]

    def levels(self, recipe: str) -> list[tuple[str, float]]:
        """Return (level, sparsity) of a recipe, rising."""
        found = {(row.level, row.sparsity) for _, row in self.rows if row.recipe == recipe}
        return sorted(found, key=lambda level: level[1])

    def points(self, recipe: str, level: str, quantity: str) -> list[tuple[float, Row]]:
        """Return (size of the noise, row), the size rising."""
        return [(e, row) for e, row in self.rows if (row.recipe, row.level, row.quantity) == (recipe, level, quantity)]

    def closer(self, recipe: str, quantity: str) -> float | None:
        """Return the largest sparsity up to which every level stays closer to its parent than two dense networks."""
        reached = None
        for level, s in self.levels(recipe):
            rows = [row for _, row in self.points(recipe, level, quantity)]
            if any(row.floor is None or not _closer(row) for row in rows):
                break
            reached = s
        return reached


def _closer(row: Row) -> bool:
    assert row.floor is not None
    return row.number > row.floor if row.better == "higher" else row.number < row.floor


def sentence(seen: Noisy, recipe: str) -> str:
    """Say up to which sparsity the function stays closer to the parent's than another seed's, and how it ends."""
    level, s = seen.levels(recipe)[-1]
    size, last = seen.points(recipe, level, "agreement")[-1]
    if last.floor is None:
        return capitalised(f"at {sparsity(s)} sparsity {recipe} agrees with its parent on {last.text} of noisy images.")
    reached = seen.closer(recipe, "softmax_l2")
    head = (
        f"{recipe} is at no sparsity closer to its parent, at every size of the noise, than two dense networks are to "
        "each other"
        if reached is None
        else f"up to {sparsity(reached)} sparsity {recipe} stays closer to its parent than two dense networks are to "
        "each other, at every size of the noise"
    )
    tail = f"at {sparsity(s)} and ε = {plain(size)} the two agree on {last.text} of the images, two dense networks on "
    return capitalised(f"{head}; {tail}{floor_text(last)}.")


def _chart(seen: Noisy, quantity: str) -> Chart:
    """Return one quantity against the size of the noise, one recipe at a time."""
    drawn = [
        curve
        for recipe in seen.recipes
        for curve in (*_yardstick(seen, recipe, quantity), *_levels(seen, recipe, quantity))
    ]
    share, values = quantity == "agreement", [row.number for c in drawn for _, row in c.points if row is not None]
    low, high = (min(values), 1.0) if share else (0.0, max(values))
    air = 0.03 * (high - low or 1.0)
    scale = Scale(low - air, high + air, "~%" if share else ".2~f")
    return Chart(
        name=f"noise-{quantity.replace('_', '-')}",
        description=f"{capitalised(QUANTITIES[quantity])} of pruned network and dense parent against the noise.",
        note=f"{capitalised(seen.kind)} in units of the pixel range, the same for all networks. The stronger a line, "
        "the sparser; dashed, with its band: two dense networks of different seeds.",
        draw=lambda theme: curves.draw(drawn, size_axis(drawn), scale, QUANTITIES[quantity], theme, fields=FIELDS),
        choices=tuple(Choice(recipe, recipe, _title(seen, recipe, quantity)) for recipe in seen.recipes),
        chosen=seen.recipes[0],
    )


def _yardstick(seen: Noisy, recipe: str, quantity: str) -> list[Curve]:
    level, _ = seen.levels(recipe)[-1]
    points = [
        (size, row._replace(value=row.floor, low=row.floor_low, high=row.floor_high, item=row.view))
        for size, row in seen.points(recipe, level, quantity)
        if row.floor is not None
    ]
    look, metric = Style("", "stroke", (6, 4)), QUANTITIES[quantity]
    band = Curve(choice=recipe, name=YARDSTICK, metric=metric, points=points, look=look, spread="band")
    return [band] if points else []


def _levels(seen: Noisy, recipe: str, quantity: str) -> list[Curve]:
    levels = seen.levels(recipe)
    look = seen.reading.styles[recipe]._replace(dash=(1, 0))
    return [
        Curve(
            choice=recipe,
            name=sparsity(s),
            metric=QUANTITIES[quantity],
            points=[(size, row._replace(item=row.view)) for size, row in seen.points(recipe, level, quantity)],
            look=look,
            opacity=0.4 + 0.6 * (place + 1) / len(levels),
        )
        for place, (level, s) in enumerate(levels)
    ]


def _title(seen: Noisy, recipe: str, quantity: str) -> str:
    reached = seen.closer(recipe, quantity)
    if reached is None:
        return f"{recipe}: no sparsity stays closer to its parent than another seed would be, by {QUANTITIES[quantity]}"
    return f"{recipe} stays closer to its parent than another seed up to {sparsity(reached)}, by {QUANTITIES[quantity]}"


def tell(reading: Reading) -> Told | None:
    """Return the section, if similarity under noise was measured."""
    seen = Noisy(reading)
    if not seen.recipes:
        return None
    return Told(sentence=sentence(seen, seen.recipes[0]), parts=figures(*(_chart(seen, q) for q in QUANTITIES)))


SECTION = Section(key="noise", title="Same function under noise?", needs="the measure noise_similarity", tell=tell)
