"""Same representation?: similarity of every layer in the dense and the pruned network, by several metrics."""

from __future__ import annotations

from prunescope.reporting.place import Where, label
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Cell, Group, Line, Note, Section, Table, Told, cell, figures, tabulate
from prunescope.reporting.similarities import NAMES, Similarities, apart, disagreement, lowest, value
from prunescope.reporting.similarity_charts import layers_chart, map_chart, means_chart, metrics_chart
from prunescope.reporting.wording import SPACE, capitalised, listed, number, plain, sparsity, told

NO_MAP = (
    "No map of layers against layers: it needs all layers on the same examples, which positions counted as samples do "
    "not give."
)
NOT = "no value"


def another_seed(row: Row) -> str:
    """Say whether a layer changed ``less``, ``more`` or ``about as much`` as another seed changes it."""
    low, high = (row.number if end is None else end for end in (row.low, row.high))
    floor_low, floor_high = (row.floor if end is None else end for end in (row.floor_low, row.floor_high))
    assert floor_low is not None
    assert floor_high is not None
    return "less than" if low > floor_high else "more than" if high < floor_low else "about as much as"


def sentence(by_metric: dict[str, list[Row]]) -> str:
    """Say which layer changed most at one place, against two dense networks, and where the metrics disagree."""
    leading, *others = by_metric
    most = lowest(by_metric[leading])
    measured = told(most.number, "", most.low, most.high)
    text = f"at {most.at} sparsity {most.recipe} changes {most.item} most: {NAMES[leading]} {measured}"
    if most.floor is not None:
        seed = f"{another_seed(most)} another seed does"
        text += f", beside {number(most.floor, 3)} between two dense networks, so {seed}"
    else:
        text += " (one seed gives no second dense network to compare with)"
    elsewhere: dict[str, list[str]] = {}
    for metric in others:
        elsewhere.setdefault(lowest(by_metric[metric]).item, []).append(NAMES[metric])
    named = [f"{listed(m)} {'name' if m[1:] else 'names'} {item}" for item, m in elsewhere.items() if item != most.item]
    text += f"; {listed(named)} instead" if named else ""
    widest = disagreement(by_metric)
    return capitalised(text + ("." if widest is None else f". The metrics disagree most on {apart(widest)}."))


def _table(seen: Similarities, place: Where) -> Table:
    rows = {metric: seen.by_layer(metric, place) for metric in seen.metrics}
    lines: list[Line] = []
    for i, layer in enumerate(seen.layers):
        cells = (_cell(rows[metric][i]) for metric in seen.metrics)
        lines.append((layer, cell(seen.width(layer)), cell(seen.size(layer, "dropped", place)), *cells))
    names = ("layer", "width", "constant units", *(NAMES[metric] for metric in seen.metrics))
    floored = any(row is not None and row.floor is not None for own in rows.values() for row in own)
    floor = " (floor: two dense networks of different seeds)" if floored else ""
    caption = f"Similarity by layer, {label(place)}{floor}"
    return tabulate(caption, names, [Group("", tuple(lines))], wide=True)


def _cell(row: Row | None) -> Cell:
    return Cell(NOT) if row is None else cell(row._replace(unit="", floor_low=None, floor_high=None))


def _floor_table(seen: Similarities, place: Where) -> Table:
    kinds = ("untrained", "permuted")
    found = {metric: [seen.anywhere(metric, place[0], kind) for kind in kinds] for metric in seen.metrics}
    lines: tuple[Line, ...] = tuple(
        (layer, *(_both(found[metric][0][i], found[metric][1][i]) for metric in seen.metrics))
        for i, layer in enumerate(seen.layers)
    )
    caption = "Two more floors: dense network and its initial weights / examples in random order"
    return tabulate(caption, ("layer", *(NAMES[metric] for metric in seen.metrics)), [Group("", lines)], wide=True)


def _both(untrained: Row | None, permuted: Row | None) -> Cell:
    return Cell(f"{SPACE}/ ".join("–" if row is None else value(row) for row in (untrained, permuted)))


def missing(seen: Similarities, place: Where) -> str:
    """Say which layers have no value for which metric at one place, and what may keep a metric from comparing them."""
    by_layer: dict[tuple[str, ...], list[str]] = {}
    rows = {metric: seen.by_layer(metric, place) for metric in seen.metrics}
    for i, layer in enumerate(seen.layers):
        without = tuple(NAMES[metric] for metric in seen.metrics if rows[metric][i] is None)
        width = seen.width(layer)
        sized = layer if width is None else f"{layer} ({plain(width.number)} wide, {width.n:,} examples)"
        if without:
            by_layer.setdefault(without, []).append(sized)
    if not by_layer:
        return ""
    every = len(seen.metrics)
    parts = [f"{listed(names)} by {'any metric' if len(m) == every else listed(m)}" for m, names in by_layer.items()]
    return (
        f"No value at {sparsity(place[2])} for {'; '.join(parts)}. A layer is left out where it is constant in one of "
        "the networks, or has too few examples for its width."
    )


def constant(seen: Similarities, place: Where) -> str:
    """Say in which layers units were constant and therefore left out at one place."""
    sizes = [(layer, seen.size(layer, "dropped", place), seen.width(layer)) for layer in seen.layers]
    parts = [
        f"{plain(dropped.number)} of {plain(width.number)} in {layer}"
        for layer, dropped, width in sizes
        if dropped is not None and width is not None and dropped.number > 0
    ]
    return f"Constant units of the pruned networks, left out: {listed(parts)}." if parts else ""


def tell(reading: Reading) -> Told | None:
    """Return the section, if a similarity of layers was measured."""
    seen = Similarities(reading)
    if not seen.recipes:
        return None
    place = seen.told()
    recipe = place[0]
    layer_map = map_chart(seen, recipe)
    charts = (layers_chart(seen, recipe), metrics_chart(seen, recipe), means_chart(seen, recipe), layer_map)
    remarks = (missing(seen, place), constant(seen, place), "" if layer_map else NO_MAP)
    return Told(
        sentence=sentence(seen.by_metric(place)),
        parts=(
            *figures(*charts),
            _table(seen, place),
            _floor_table(seen, place),
            *(Note(text=text) for text in remarks if text),
        ),
    )


SECTION = Section(
    key="representation",
    title="Same representation?",
    needs=f"one of the measures {listed(NAMES, 'or')}",
    tell=tell,
)
