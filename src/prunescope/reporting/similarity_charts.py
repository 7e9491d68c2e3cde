"""The charts of similarity: by layer with the floors, all metrics side by side, over sparsity, layer against layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from prunescope.reporting.charts import curves, heatmap
from prunescope.reporting.charts.axis import position, sparsity_axis
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.curves import Bar, Curve, Scale
from prunescope.reporting.charts.heatmap import Grid
from prunescope.reporting.charts.palette import DASHES, SHAPES, Style
from prunescope.reporting.place import Where, key, label
from prunescope.reporting.reading import Row
from prunescope.reporting.similarities import NAMES, ByLayer, Similarities, apart, disagreement, lowest, value
from prunescope.reporting.wording import counted, listed, number, sparsity

SEEDS = "two dense networks of different seeds (band: all pairs), "
LAYERS_NOTE = (
    f"The stronger a line, the sparser; in ink the floors: {SEEDS}the dense network beside its own initial weights, "
    "the same examples in random order. Whiskers, with several seeds: 95 % interval at the sparsity told above."
)
MOST_LEVELS = 5
MOST_CELLS = 20_000
LOOKS = dict(zip(NAMES, zip(SHAPES, (*DASHES, (12, 4)), strict=True), strict=True))
"""Shape and dash of each metric; the colour is the recipe's."""


def some(levels: Sequence[Where], chosen: Where) -> list[Where]:
    """Return at most ``MOST_LEVELS`` of the rising levels, evenly apart, with the chosen one among them."""
    last = len(levels) - 1
    if last < MOST_LEVELS:
        return list(levels)
    spread = [round(i * last / (MOST_LEVELS - 1)) for i in range(MOST_LEVELS)]
    wanted = levels.index(chosen)
    spread[min(range(MOST_LEVELS), key=lambda k: abs(spread[k] - wanted))] = wanted
    return [levels[i] for i in spread]


def layers_chart(seen: Similarities, recipe: str) -> Chart:
    """Return the similarity by layer at some sparsities, with the floors; one metric and recipe at a time."""
    pairs = [(m, r) for r, m in product(seen.recipes, seen.metrics) if any(seen.measured(m, p) for p in seen.places(r))]
    drawn = [curve for metric, name in pairs for curve in (*_floors(seen, metric, name), *_levels(seen, metric, name))]
    choices = (Choice(key(m, r), _called(seen, m, r), _layers_title(seen, m, r)) for m, r in pairs)
    first = next(iter(seen.by_metric(seen.told(recipe))))
    return Chart(
        name="similarity-layers",
        description="Similarity of dense and pruned network by layer, one line per sparsity, with three floors.",
        draw=lambda theme: curves.draw(
            drawn, curves.layer_axis(seen.layers), Scale.over(drawn, zero=True), "similarity to the dense layer", theme
        ),
        note=LAYERS_NOTE if any(curve.spread == "band" for curve in drawn) else LAYERS_NOTE.replace(SEEDS, ""),
        choices=tuple(choices),
        chosen=key(first, recipe),
    )


def _called(seen: Similarities, metric: str, recipe: str) -> str:
    return NAMES[metric] if len(seen.recipes) == 1 else f"{NAMES[metric]}, {recipe}"


def _floors(seen: Similarities, metric: str, recipe: str) -> list[Curve]:
    kinds: tuple[tuple[str, tuple[int, ...], ByLayer], ...] = (
        ("two dense", (6, 4), seen.separate(metric, recipe)),
        ("untrained", (2, 3), seen.anywhere(metric, recipe, "untrained")),
        ("permuted", (1, 4), seen.anywhere(metric, recipe, "permuted")),
    )
    return [
        Curve(
            choice=key(metric, recipe),
            name=name,
            metric=NAMES[metric],
            points=list(zip(seen.layers, rows, strict=True)),
            look=Style("", "stroke", dash),
            spread="band" if name == "two dense" else "",
        )
        for name, dash, rows in kinds
        if any(rows)
    ]


def _levels(seen: Similarities, metric: str, recipe: str) -> list[Curve]:
    told_at, look = seen.told(recipe), seen.reading.styles[recipe]
    levels = some(seen.places(recipe), told_at)
    shades = np.linspace(0.4, 1, len(levels)) if len(levels) > 1 else [1.0]
    return [
        Curve(
            choice=key(metric, recipe),
            name=sparsity(place[2]),
            metric=NAMES[metric],
            points=list(zip(seen.layers, seen.by_layer(metric, place), strict=True)),
            look=look._replace(dash=(1, 0)),
            opacity=float(shade),
            spread="whiskers" if place == told_at else "",
        )
        for place, shade in zip(levels, shades, strict=True)
        if seen.measured(metric, place)
    ]


def _layers_title(seen: Similarities, metric: str, recipe: str) -> str:
    place = seen.told(recipe)
    rows = seen.measured(metric, place)
    if not rows:
        return f"{NAMES[metric]} compares no layer of {label(place)}"
    most = lowest(rows)
    beside = "" if most.floor is None else f", {number(most.floor, 3)} between two dense networks"
    return f"{label(place)} changes {most.item} most: {NAMES[metric]} {value(most)}{beside}"


def metrics_chart(seen: Similarities, recipe: str) -> Chart | None:
    """Return all metrics side by side at the place that tells most of each recipe; nothing with one metric."""
    places = {name: seen.told(name) for name in seen.recipes}
    ends = {name: disagreement(seen.by_metric(place)) for name, place in places.items()}
    differ = {name: pair for name, pair in ends.items() if pair is not None}
    if recipe not in differ:
        return None
    drawn = [
        Curve(
            choice=name,
            name=NAMES[metric],
            metric=NAMES[metric],
            points=list(zip(seen.layers, seen.by_layer(metric, places[name]), strict=True)),
            look=Style(seen.reading.styles[name].color, *LOOKS[metric]),
        )
        for name in differ
        for metric in seen.by_metric(places[name])
    ]
    bars = [bar for name, pair in differ.items() for bar in _bars(seen, places[name], pair[0].item)]
    titles = {name: f"{label(places[name])}: metrics disagree most on {apart(pair)}" for name, pair in differ.items()}
    return Chart(
        name="similarity-metrics",
        description="Similarity of dense and pruned network by layer, one line per metric; bars where they differ.",
        draw=lambda theme: curves.draw(
            drawn,
            curves.layer_axis(seen.layers),
            Scale.over(drawn, zero=False),
            "similarity to the dense layer",
            theme,
            bars,
        ),
        note="Bars: from the lowest to the highest metric, the widest dark. Metrics also differ in what they give by "
        "chance (table of floors): compare a metric with its own floors.",
        choices=tuple(Choice(name, name, title) for name, title in titles.items()),
        chosen=recipe,
    )


def _bars(seen: Similarities, place: Where, widest: str) -> list[Bar]:
    by_layer = {
        layer: [r.number for rows in seen.by_metric(place).values() for r in rows if r.item == layer]
        for layer in seen.layers
    }
    return [Bar(place[0], layer, min(v), max(v), layer == widest) for layer, v in by_layer.items() if len(v) > 1]


def means_chart(seen: Similarities, recipe: str) -> Chart | None:
    """Return the mean over the layers against sparsity, every metric with its floor."""
    means = {metric: seen.reading.pruned(metric, "mean") for metric in seen.metrics}
    drawn = [curve for name in seen.recipes for m in seen.metrics for curve in _means(seen, name, m, means[m])]
    told_of = [name for name in seen.recipes if any(curve.choice == name for curve in drawn)]
    if recipe not in told_of:
        return None
    levels = [row.sparsity for rows in means.values() for row in rows]
    return Chart(
        name="similarity-sparsity",
        description="Mean similarity over the layers against sparsity, one line per metric, with its floor.",
        draw=lambda theme: curves.draw(
            drawn, sparsity_axis(levels), Scale.over(drawn, zero=False), "mean similarity over the layers", theme
        ),
        note="Open signs: the same metric between two dense networks of different seeds."
        if any(curve.hollow for curve in drawn)
        else "",
        choices=tuple(Choice(name, name, _means_title(seen, name, means)) for name in told_of),
        chosen=recipe,
    )


def _means(seen: Similarities, recipe: str, metric: str, rows: Sequence[Row]) -> list[Curve]:
    own = [row for row in rows if row.recipe == recipe]
    if not own:
        return []
    shape, dash = LOOKS[metric]
    look, floor = Style(seen.reading.styles[recipe].color, shape, dash), _mean_floor(seen, recipe, metric)
    points = [(position(row.sparsity), row) for row in own]
    line = Curve(choice=recipe, name=NAMES[metric], metric=NAMES[metric], points=points, look=look)
    if floor is None:
        return [line]
    level = [(position(row.sparsity), row._replace(value=floor, low=None, high=None)) for row in (own[0], own[-1])]
    look = Style("", shape, (1, 3))
    name = "two dense networks"
    null = Curve(choice=recipe, name=name, metric=NAMES[metric], points=level, look=look, hollow=True, named=False)
    return [null, line]


def _mean_floor(seen: Similarities, recipe: str, metric: str) -> float | None:
    floors = [row.number for row in seen.separate(metric, recipe) if row is not None]
    return float(np.mean(floors)) if floors else None


def _means_title(seen: Similarities, recipe: str, means: dict[str, list[Row]]) -> str:
    floors = {metric: _mean_floor(seen, recipe, metric) for metric in means}
    own = [row for rows in means.values() for row in rows if row.recipe == recipe]
    top = max(own, key=lambda row: row.sparsity)
    if not any(floor is not None for floor in floors.values()):
        last = sorted((row for row in own if row.sparsity == top.sparsity), key=lambda row: row.number)
        keeps = listed(dict.fromkeys(f"{value(row)} ({NAMES[row.measure]})" for row in (last[0], last[-1])), "to")
        return f"At {top.at} the mean over the layers of {recipe} is {keeps}"
    below = [row for row in own if (floor := floors[row.measure]) is not None and row.number < floor]
    first = min(below, key=lambda row: row.sparsity, default=None)
    if first is None:
        return f"Up to {top.at} {recipe} stays closer to its parent than another seed, by every metric on average"
    names = [NAMES[row.measure] for row in below if row.sparsity == first.sparsity]
    return f"From {first.at} {recipe} is further from its parent than another seed, by {listed(names)} on average"


def map_chart(seen: Similarities, recipe: str) -> Chart | None:
    """Return every dense layer against every pruned one, of as many metrics and recipes as have room."""
    order = sorted(seen.recipes, key=lambda name: name != recipe)
    grids: dict[tuple[str, str], Grid] = {}
    dropped = 0
    for name, metric in product(order, seen.metrics):
        values = seen.grid(metric, seen.told(name))
        if values is None:
            continue
        if grids and sum(grid.values.size for grid in grids.values()) + values.size > MOST_CELLS:
            dropped += 1
            continue
        layers = [row.item for row in seen.measured(metric, seen.told(name))]
        grids[metric, name] = Grid(key(metric, name), layers, values)
    if not grids:
        return None
    drawn, first = list(grids.values()), next(iter(grids.values()))
    return Chart(
        name="similarity-map",
        description="Similarity of every layer of the dense network and every layer of the pruned one.",
        draw=lambda theme: heatmap.draw(drawn, seen.layers, theme),
        note=f"{counted(dropped, 'map')} of other metrics or recipes left out for size." if dropped else "",
        choices=tuple(Choice(g.choice, _called(seen, m, r), _map_title(seen, g, m, r)) for (m, r), g in grids.items()),
        chosen=first.choice,
    )


def _map_title(seen: Similarities, grid: Grid, metric: str, recipe: str) -> str:
    """Say whether each pruned layer is most like its own dense layer."""
    closest = np.argmax(grid.values, axis=0)
    strays = [j for j, i in enumerate(closest) if grid.values[i, j] > grid.values[j, j]]
    at = label(seen.told(recipe))
    if not strays:
        return f"{NAMES[metric]}: every layer of {at} is most like its own dense layer"
    worst = max(strays, key=lambda j: float(grid.values[closest[j], j] - grid.values[j, j]))
    like, own = (number(float(grid.values[i, worst]), 3) for i in (closest[worst], worst))
    share = f"{len(strays)} of {counted(len(closest), 'layer')} of {at}"
    names = f"{grid.layers[worst]} like {grid.layers[closest[worst]]}, {like} against {own}"
    return f"{NAMES[metric]}: {share} {'is' if len(strays) == 1 else 'are'} most like another dense layer ({names})"
