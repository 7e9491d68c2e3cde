"""How deep?: where in the network images are decided, how clear their representation is, and a map of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import histogram, scatter
from prunescope.reporting.charts.chart import Chart, Choice
from prunescope.reporting.charts.histogram import Share
from prunescope.reporting.charts.scatter import Point
from prunescope.reporting.place import Where, key, label, telling
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import Section, Table, Told, by_recipe, figures, matching, tabulate
from prunescope.reporting.wording import capitalised, plain, told

MOST_OF_A_GROUP = 120  # points of a place; a page holds several places
DEPTH, QUALITY, MAP = "prediction_depth", "q_score", "umap"

Arrays = Mapping[str, NDArray[Any]]


def sentence(reading: Reading, place: Where) -> str:
    """Say how much deeper forgotten images are decided in the dense networks, and which score tells them apart."""
    parts = []
    groups = {row.item: row for row in reading.of(DEPTH, "dense_depth", items=True) if _at(row, place)}
    if {"PIE", "not PIE"} <= groups.keys():
        text = f"the images that {label(place)} forgets are decided at depth {groups['PIE'].text} in the dense networks"
        parts.append(f"{text}, the others at {groups['not PIE'].text}")
    signs = [(name, matching(reading.pruned(name, "auc"), *place[:2])) for name in (DEPTH, QUALITY)]
    named = [f"{words} {row.text}" for (name, row), words in zip(signs, ("depth", "a low Q-score"), strict=True) if row]
    if named:
        parts.append(f"chance that a sign ranks a forgotten image above another: {' and '.join(named)} (50 %: no sign)")
    before, after = (matching(reading.pruned(MAP, f"{side}_purity"), *place[:2]) for side in ("dense", "pruned"))
    if before and after:
        parts.append(f"neighbours on the map share a class {before.text} before and {after.text} after pruning")
    return capitalised("; ".join(parts) + ".")


def _at(row: Row, place: Where) -> bool:
    return (row.recipe, row.level) == place[:2]


def _places(reading: Reading, measure: str) -> dict[Where, Arrays]:
    """Return the arrays of a measure by place, recipes in telling order."""
    sparsities = {(row.recipe, row.level): row.sparsity for row in reading.rows}
    found = {
        (recipe, level, sparsities.get((recipe, level), 0.0)): arrays
        for (recipe, level, view, name), arrays in reading.material.arrays.items()
        if name == measure and view == reading.view and recipe in reading.styles
    }
    return dict(sorted(found.items(), key=lambda item: (reading.recipes.index(item[0][0]), item[0][2])))


def _kinds(reading: Reading) -> dict[int, str]:
    """Return the class of each example of which the page has an image."""
    gallery = reading.material.gallery
    if gallery is None:
        return {}
    return {int(i): gallery.classes[int(label)] for i, label in zip(gallery.positions, gallery.labels, strict=True)}


def _drawn(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return at most ``MOST_OF_A_GROUP`` of the flagged and as many of the other examples, drawn once."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(flags), np.flatnonzero(~flags)]
    return np.concatenate([rng.permutation(group)[:MOST_OF_A_GROUP] for group in groups])


def _scatter(reading: Reading, measure: str, name: str, words: str) -> Chart | None:
    found = _places(reading, measure)
    points, kinds = [], _kinds(reading)
    for place, arrays in found.items():
        dense, pruned, flags = (arrays[part] for part in (f"dense_{name}", f"pruned_{name}", "pie"))
        points += [
            Point(
                key(*place[:2]),
                float(dense[i]),
                float(pruned[i]),
                "PIE" if flags[i] else "not PIE",
                kinds.get(int(i), ""),
                int(i),
            )
            for i in _drawn(flags)
        ]
    if not points:
        return None
    recipe, level, _ = telling(reading, list(found))
    return Chart(
        name=f"{measure}-scatter".replace("_", "-"),
        description=f"Mean {words} of each image over the dense (across) and the pruned networks (up).",
        draw=lambda theme: scatter.draw(points, f"{words}, dense networks", f"{words}, pruned networks", theme),
        note=f"Triangles: PIEs. At most {MOST_OF_A_GROUP} images of each kind, drawn at random. Dashed: no change.",
        choices=tuple(Choice(key(*at[:2]), label(at), _above(at, arrays, name, words)) for at, arrays in found.items()),
        chosen=key(recipe, level),
    )


def _above(place: Where, arrays: Arrays, name: str, words: str) -> str:
    higher = float((arrays[f"pruned_{name}"] > arrays[f"dense_{name}"]).mean())
    return f"{label(place)} raises the {words} of {told(higher, 'share')} of the images"


def _histogram(reading: Reading) -> Chart | None:
    found = _places(reading, DEPTH)
    if not found:
        return None
    shares = []
    for place, arrays in found.items():
        for side in ("dense", "pruned"):
            counts = np.bincount(arrays[f"{side}_depths"].ravel(), minlength=int(arrays["probes"]) + 1)
            shares += [Share(key(*place[:2]), place[0], side, d, float(n / counts.sum())) for d, n in enumerate(counts)]
    recipe, level, _ = telling(reading, list(found))
    return Chart(
        name="depth-histogram",
        description="Share of images by prediction depth, dense and pruned networks.",
        draw=lambda theme: histogram.draw(shares, reading.styles, theme),
        choices=tuple(Choice(key(*at[:2]), label(at), _deeper(at, arrays)) for at, arrays in found.items()),
        chosen=key(recipe, level),
    )


def _deeper(place: Where, arrays: Arrays) -> str:
    before, after = (float(arrays[f"{side}_depths"].mean()) for side in ("dense", "pruned"))
    return (
        f"{label(place)} moves the mean depth from {plain(before)} to {plain(after)} of {int(arrays['probes'])} probes"
    )


def _map(reading: Reading, side: str) -> Chart | None:
    found = _places(reading, MAP)
    flagged = _places(reading, DEPTH) | _places(reading, QUALITY) | _places(reading, "pie")
    points, kinds = [], _kinds(reading)
    for place, arrays in found.items():
        total = len(arrays["examples"])
        flags = flagged[place]["pie"][arrays["examples"]] if place in flagged else np.zeros(total, dtype=bool)
        for i in np.random.default_rng(0).permutation(total)[: 2 * MOST_OF_A_GROUP]:
            x, y = arrays[f"{side}_map"][i]
            example = int(arrays["examples"][i])
            group = "PIE" if flags[i] else "not PIE"
            points.append(Point(key(*place[:2]), float(x), float(y), group, kinds.get(example, ""), example))
    if not points:
        return None
    recipe, level, _ = telling(reading, list(found))
    purity = {(row.recipe, row.level): row.text for row in reading.pruned(MAP, f"{side}_purity")}
    words = {"dense": "Before pruning", "pruned": "After pruning"}[side]
    return Chart(
        name=f"map-{side}",
        description=f"Latents of one {side} network in two dimensions; colour by class, PIEs as outlined triangles.",
        draw=lambda theme: scatter.draw_map(points, theme),
        note=f"One network. At most {2 * MOST_OF_A_GROUP} images.",
        choices=tuple(
            Choice(key(*at[:2]), label(at), f"{words} neighbours share a class {purity.get(at[:2], 'unmeasured')}")
            for at in found
        ),
        chosen=key(recipe, level),
    )


def _table(reading: Reading, rows: Sequence[Row]) -> Table:
    names = ("sparsity", "depth, dense", "depth, pruned", "never wrong", "depth as a sign", "Q-score as a sign")
    columns = [reading.pruned(DEPTH, name) for name in ("dense_depth", "pruned_depth", "pruned_never_wrong", "auc")]
    groups = by_recipe(rows, [*columns, reading.pruned(QUALITY, "auc")])
    return tabulate("Depth, and which score of the dense networks tells PIEs from others", names, groups, wide=True)


def tell(reading: Reading) -> Told | None:
    """Return the section, if depth, quality or maps were measured."""
    measured = [
        rows
        for name, quantity in ((DEPTH, "dense_depth"), (QUALITY, "dense_q"), (MAP, "dense_purity"))
        if (rows := reading.pruned(name, quantity))
    ]
    if not measured:
        return None
    place = telling(reading, [(row.recipe, row.level, row.sparsity) for row in measured[0]])
    charts = figures(
        _histogram(reading),
        _scatter(reading, DEPTH, "depth", "prediction depth"),
        _scatter(reading, QUALITY, "q", "Q-score"),
        _map(reading, "dense"),
        _map(reading, "pruned"),
    )
    return Told(sentence=sentence(reading, place), parts=(*charts, _table(reading, measured[0])))


SECTION = Section(
    key="depth",
    title="How deep?",
    needs="the measures prediction_depth, q_score or umap",
    tell=tell,
)
