"""The gallery of forgotten images: which are shown, and what is written below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.reporting.images import LARGEST, thumbnail
from prunescope.reporting.material import Gallery
from prunescope.reporting.place import Where, key, telling
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Tile, Wall
from prunescope.reporting.wording import SPACE, counted, number, sparsity

MOST_TILES = 300
MOST_OF_A_PLACE = 24
FEWEST_OF_A_PLACE = 4
MOST_BYTES = 4_000_000

Votes = Mapping[str, NDArray[Any]]


def pick(votes: Votes, gallery: Gallery, most: int) -> list[int]:
    """Return which gallery images of the PIEs are shown: spread over the classes, surest dense votes first."""
    flagged = np.flatnonzero(votes["pie"][gallery.positions])
    share = votes["dense_share"][gallery.positions[flagged]]
    flagged = flagged[np.argsort(-share, kind="stable")]
    labels = gallery.labels[flagged]
    rank = np.zeros(len(flagged), dtype=np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(int((labels == label).sum()))
    order = np.lexsort((labels, rank))[:most]
    return sorted((int(i) for i in flagged[order]), key=lambda i: (int(gallery.labels[i]), i))


def wall(reading: Reading) -> Wall | None:
    """Return the gallery of PIE images, if there are images and votes on them; capped in number and bytes."""
    gallery = reading.material.gallery
    found = {} if gallery is None else _voted(reading, gallery)
    if gallery is None or not found:
        return None
    most = max(FEWEST_OF_A_PLACE, min(MOST_OF_A_PLACE, MOST_TILES // len(found)))
    first = telling(reading, list(found))
    uris: dict[int, str] = {}
    tiles, places = [], []
    for place in sorted(found, key=lambda place: place != first):
        shown = pick(found[place], gallery, most)
        if sum(map(len, uris.values())) < MOST_BYTES:
            uris |= {i: thumbnail(gallery.images[i]) for i in shown if i not in uris}
        shown = [i for i in shown if i in uris]
        tiles += [_tile(gallery, found[place], place, i, uris[i], hidden=place != first) for i in shown]
        total = int(found[place]["pie"].sum())
        count = (
            f"{len(shown)} of {counted(total, 'PIE')} shown"
            if shown
            else f"{counted(total, 'PIE')}, no room for images"
        )
        places.append((key(*place[:2]), f"{place[0]} at {sparsity(place[2])}", count))
    labels = sorted({int(gallery.labels[i]) for i in uris})
    classes = tuple(gallery.classes[label] for label in labels)
    return Wall(places=tuple(places), classes=classes, tiles=tuple(tiles), note=_note(gallery, most))


def _voted(reading: Reading, gallery: Gallery) -> dict[Where, Votes]:
    """Return the votes by place, where at least one image of the gallery is a PIE; places in telling order.

    Raises:
        PrunescopeError: if the gallery holds examples that nobody voted on.
    """
    sparsities = {(row.recipe, row.level): row.sparsity for row in reading.rows}
    found: dict[Where, Votes] = {}
    for (recipe, level, view, measure), votes in reading.material.arrays.items():
        if measure == "pie" and view == gallery.view and recipe in reading.styles:
            if len(votes["pie"]) <= gallery.positions.max(initial=-1):
                got = f"{len(votes['pie'])} examples"
                raise PrunescopeError(
                    "gallery images have no votes", expected="images of the view", got=got, where=view
                )
            if votes["pie"][gallery.positions].any():
                depths = reading.material.arrays.get((recipe, level, view, "prediction_depth"), {})
                found[recipe, level, sparsities.get((recipe, level), 0.0)] = {**depths, **votes}
    order = reading.recipes.index
    return dict(sorted(found.items(), key=lambda item: (order(item[0][0]), item[0][2])))


def _tile(gallery: Gallery, votes: Votes, place: Where, i: int, uri: str, *, hidden: bool) -> Tile:
    example = int(gallery.positions[i])
    vote = {
        side: f"{gallery.classes[int(votes[f'{side}_vote'][example])]} ({votes[f'{side}_share'][example]:.0%})"
        for side in ("dense", "pruned")
    }
    dense, pruned = (text.replace("%", f"{SPACE}%") for text in vote.values())
    label = gallery.classes[int(gallery.labels[i])]
    return Tile(
        uri=uri,
        place=key(*place[:2]),
        label=label,
        dense=dense,
        pruned=pruned,
        example=example,
        hidden=hidden,
        depth=_depth(votes, example),
    )


def _depth(votes: Votes, example: int) -> str:
    """Return the prediction depth in the dense and in the pruned networks, if it was measured."""
    if "dense_depth" not in votes:
        return ""
    return " → ".join(number(float(votes[f"{side}_depth"][example]), 1) for side in ("dense", "pruned"))


def _note(gallery: Gallery, most: int) -> str:
    chosen = (
        f"At most {most} images for each recipe and sparsity, spread over the classes, those first on which most dense "
        "networks agreed. Below each: true class, then the vote of the dense and of the pruned networks with its share."
    )
    shrunk = f" Images are shrunk to {LARGEST} pixels." if max(gallery.images.shape[2:]) > LARGEST else ""
    return chosen + shrunk
