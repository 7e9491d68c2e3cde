"""The charts of training: curves of every variant, zeros by layer, and the size of what grew back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunescope.reporting.charts import curves, epochs
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.curves import Curve, Scale
from prunescope.reporting.charts.epochs import Act, Map
from prunescope.reporting.charts.palette import Style
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.lives import Life
from prunescope.reporting.material import DENSE
from prunescope.reporting.reading import Row
from prunescope.reporting.wording import counted, told

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

ALL = "all variants"
VALIDATION, TRAINING = "validation/accuracy", "train/accuracy"
ACCURACY = ("name", "variant"), ("item", "images"), ("x", "epochs trained"), ("text", "accuracy (%)"), (
    "interval", "95 % interval"
)  # fmt: skip
SIZE = ("name", "variant"), ("x", "epochs trained"), ("text", "mean |w|"), ("interval", "95 % interval")
MOST_CELLS = 12_000


def of_recipe(lives: Iterable[Life], recipe: str) -> list[Life]:
    """Return the levels of a recipe, sparsities rising."""
    return sorted((life for life in lives if life.recipe == recipe), key=lambda life: life.row.sparsity)


def recipes(lives: Iterable[Life]) -> list[str]:
    """Return the recipes in telling order."""
    return list(dict.fromkeys(life.recipe for life in lives))


def look(styles: dict[str, Style], recipe: str) -> Style:
    """Return how a recipe's lines look; the dense network is in ink."""
    return styles[recipe]._replace(shape="stroke") if recipe in styles else Style("", "stroke", (6, 4))


def training_chart(lives: Sequence[Life], styles: dict[str, Style]) -> Chart | None:
    """Return validation and training accuracy by epoch: all variants at once, or one recipe beside dense."""
    seen = [life for life in lives if VALIDATION in life.arrays]
    if not seen:
        return None
    names = recipes(seen)
    drawn = [_line(ALL, of_recipe(seen, name)[-1], styles) for name in names]
    drawn += [curve for name in names for curve in _beside_dense(seen, name, styles)]
    done = [Act(name, time, act) for name in names for time, act in of_recipe(seen, name)[-1].acts().items()]
    choices = [Choice(ALL, f"{ALL} (validation)", _overview(seen)), *(_choice(of_recipe(seen, name)) for name in names)]
    return Chart(
        name="history-accuracy",
        description="Accuracy by epoch on validation and training images, one line per variant, dense beside it.",
        draw=lambda theme: _drawn(drawn, done, "accuracy (%)", ACCURACY, theme, percent=True),
        note="All variants: validation images, each recipe at its highest level. One recipe: solid on validation, "
        "dotted on training images, the stronger the more was pruned; long dashes: dense on validation images. "
        "Band, with several seeds: 95 % interval of the strongest line.",
        choices=tuple(choices),
        chosen=ALL,
    )


def _line(choice: str, life: Life, styles: dict[str, Style], name: str = "") -> Curve:
    points = life.points(VALIDATION, scale=100, item="validation")
    return Curve(
        choice=choice, name=name or life.recipe, metric="validation", points=points, look=look(styles, life.recipe)
    )


def _beside_dense(lives: Sequence[Life], recipe: str, styles: dict[str, Style]) -> list[Curve]:
    """Return the lines of one recipe, level by level, and that of dense."""
    levels = of_recipe(lives, recipe)
    shades = np.linspace(0.45, 1, len(levels)) if len(levels) > 1 else [1.0]
    own = look(styles, recipe)
    drawn = [_line(recipe, life, styles) for life in of_recipe(lives, DENSE)[:1] if recipe != DENSE]
    for life, shade in zip(levels, shades, strict=True):
        name, strong = life.row.at if len(levels) > 1 else "validation", life is levels[-1]
        drawn += [
            Curve(
                choice=recipe, name=name if images == "validation" else "training", metric=images, points=points,
                look=own._replace(dash=dash), opacity=float(shade), spread=spread,
                named=images == "validation" or strong,
            )
            for images, points, dash, spread in (
                ("training", life.points(TRAINING, scale=100, item="training"), (2, 3), ""),
                ("validation", life.points(VALIDATION, scale=100, item="validation"), (1, 0), "band" if strong else ""),
            )
            if points
        ]  # fmt: skip
    return drawn


def _overview(lives: Sequence[Life]) -> str:
    ends = {life.label: life.points(VALIDATION)[-1][1] for life in lives}
    best, worst = (choose(ends, key=lambda label: ends[label].number) for choose in (max, min))
    return f"Validation accuracy ends between {_end(ends[worst])} ({worst}) and {_end(ends[best])} ({best})"


def _choice(levels: Sequence[Life]) -> Choice:
    last = levels[-1]
    end = last.points(VALIDATION)[-1][1]
    title = f"{last.label} ends at {_end(end)} on validation images"
    if TRAINING in last.arrays:
        title += f", {_end(last.points(TRAINING)[-1][1])} on training images"
    return Choice(last.recipe, last.recipe, title)


def _end(row: Row) -> str:
    return told(row.number, "share")


def zeros_chart(lives: Sequence[Life]) -> Chart | None:
    """Return the share of zeros of every layer by epoch, for every variant that ever had any."""
    maps: dict[str, Map] = {}
    titles: list[Choice] = []
    dropped = 0
    for life in sorted(lives, key=lambda life: -life.row.sparsity):
        found = _map(life)
        if found is None:
            continue
        if maps and sum(m.values.size for m in maps.values()) + found.values.size > MOST_CELLS:
            dropped += 1
            continue
        maps[life.label] = found
        titles.append(Choice(life.label, life.label, _sparsest(life, found)))
    if not maps:
        return None
    first = max(titles, key=lambda choice: len(maps[choice.value].epochs)).value
    return Chart(
        name="history-zeros",
        description="Share of weights that are exactly zero by layer and epoch, input at the top.",
        draw=lambda theme: epochs.draw_map(list(maps.values()), theme),
        note=f"{counted(dropped, 'variant')} of lower sparsity left out for size." if dropped else "",
        choices=tuple(titles),
        chosen=first,
    )


def _map(life: Life) -> Map | None:
    """Return the mean over networks of the zeros in percent, at the epochs where all layers were counted."""
    rows = [life.points(f"zeros/{layer}", scale=100) for layer in life.layers]
    if not all(rows) or not any(row.number for row in (row for points in rows for _, row in points)):
        return None
    times = [time for time, _ in rows[0]]
    values = np.array([[row.number for _, row in points] for points in rows])
    return Map(life.label, [layer.removesuffix(".weight") for layer in life.layers], times, values)


def _sparsest(life: Life, found: Map) -> str:
    most = int(np.argmax(found.values[:, -1]))
    whole, layer = (told(share, "share") for share in (life.row.number, float(found.values[most, -1]) / 100))
    return f"{life.label}: {whole} of the weights are zero at the end, most in {found.layers[most]} ({layer})"


def size_chart(lives: Sequence[Life], styles: dict[str, Style]) -> Chart | None:
    """Return how large the weights are that grew back, epoch by epoch."""
    grown = [life for life in lives if life.regrown_size()]
    if not grown:
        return None
    drawn = [curve for name in recipes(grown) for curve in _sizes(of_recipe(grown, name), styles)]
    titles = [Choice(name, name, _sizes_title(of_recipe(grown, name)[-1])) for name in recipes(grown)]
    return Chart(
        name="history-size",
        description="Mean absolute value of the weights that grew back from zero, by epoch, one line per level.",
        draw=lambda theme: _drawn(drawn, [], "mean |w| of regrown weights", SIZE, theme, percent=False),
        choices=tuple(titles),
        chosen=titles[0].value,
    )


def _sizes(levels: Sequence[Life], styles: dict[str, Style]) -> list[Curve]:
    shades = np.linspace(0.45, 1, len(levels)) if len(levels) > 1 else [1.0]
    return [
        Curve(
            choice=life.recipe, name=life.row.at, metric="size", points=life.regrown_size(),
            look=styles[life.recipe]._replace(dash=(1, 0)), opacity=float(shade),
            spread="band" if life is levels[-1] else "",
        )
        for life, shade in zip(levels, shades, strict=True)
    ]  # fmt: skip


def _sizes_title(life: Life) -> str:
    first, last = (told(life.regrown_size()[i][1].number, "") for i in (0, -1))
    return f"{life.label}: regrown weights measure {first} after an epoch, {last} at the end"


def _drawn(
    drawn: Sequence[Curve],
    done: Sequence[Act],
    axis: str,
    fields: Sequence[tuple[str, str]],
    theme: Theme,
    *,
    percent: bool,
) -> Drawing:
    """Return curves over epochs; percentages fill the height, sizes begin at 0."""
    points = [(float(time), row.number) for curve in drawn for time, row in curve.points if row is not None]
    times, values = [time for time, _ in points], [value for _, value in points]
    low, high = min(values) if percent else 0.0, max(values)
    air = 0.04 * (high - low or 1.0)
    scale, x = Scale(low - air * percent, high + air, ".3~g"), epochs.epoch_axis(min(times), max(times))
    return curves.draw(drawn, x, scale, axis, theme, under=epochs.acts(done, x, theme), fields=fields)
