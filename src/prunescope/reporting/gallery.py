"""The gallery of forgotten or flipped images: which are shown, and what is written below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

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


class Kind(NamedTuple):
    """What a gallery shows: the images that an array of a measure flags, what one is called, and the note below."""

    measure: str
    flag: str
    word: str
    note: str


PIES = Kind(
    "pie",
    "pie",
    "PIE",
    "those first on which most dense networks agreed. Below each: true class, then the vote of the dense and of the "
    "pruned networks with its share.",
)
FLIPS = Kind(
    "agreement",
    "flips",
    "flip",
    "those first of which the dense network was surest. Below each: true class, then the prediction of the dense and "
    "of the pruned network with its probability.",
)


def pick(votes: Votes, gallery: Gallery, most: int, flag: str = "pie") -> list[int]:
    """Return which flagged gallery images are shown: spread over the classes, surest dense votes first."""
    flagged = np.flatnonzero(votes[flag][gallery.positions])
    share = votes["dense_share"][gallery.positions[flagged]]
    flagged = flagged[np.argsort(-share, kind="stable")]
    labels = gallery.labels[flagged]
    rank = np.zeros(len(flagged), dtype=np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(int((labels == label).sum()))
    order = np.lexsort((labels, rank))[:most]
    return sorted((int(i) for i in flagged[order]), key=lambda i: (int(gallery.labels[i]), i))


def wall(reading: Reading, kind: Kind = PIES) -> Wall | None:
    """Return the gallery of flagged images, if there are images and votes on them; capped in number and bytes."""
    gallery = reading.material.gallery
    found = {} if gallery is None else _voted(reading, gallery, kind)
    if gallery is None or not found:
        return None
    most = max(FEWEST_OF_A_PLACE, min(MOST_OF_A_PLACE, MOST_TILES // len(found)))
    first = telling(reading, list(found))
    uris: dict[int, str] = {}
    tiles, places = [], []
    for place in sorted(found, key=lambda place: place != first):
        shown = pick(found[place], gallery, most, kind.flag)
        if sum(map(len, uris.values())) < MOST_BYTES:
            uris |= {i: thumbnail(gallery.images[i]) for i in shown if i not in uris}
        shown = [i for i in shown if i in uris]
        tiles += [_tile(gallery, found[place], place, i, uris[i], hidden=place != first) for i in shown]
        total = counted(int(found[place][kind.flag].sum()), kind.word)
        count = f"{len(shown)} of {total} shown" if shown else f"{total}, no room for images"
        places.append((key(*place[:2]), f"{place[0]} at {sparsity(place[2])}", count))
    labels = sorted({int(gallery.labels[i]) for i in uris})
    classes = tuple(gallery.classes[label] for label in labels)
    return Wall(places=tuple(places), classes=classes, tiles=tuple(tiles), note=_note(gallery, most, kind))


def _voted(reading: Reading, gallery: Gallery, kind: Kind) -> dict[Where, Votes]:
    """Return the votes by place, where at least one image of the gallery is flagged; places in telling order.

    Raises:
        PrunescopeError: if the gallery holds examples that nobody voted on.
    """
    sparsities = {(row.recipe, row.level): row.sparsity for row in reading.rows}
    found: dict[Where, Votes] = {}
    for (recipe, level, view, measure), votes in reading.material.arrays.items():
        if measure == kind.measure and view == gallery.view and recipe in reading.styles and kind.flag in votes:
            if len(votes[kind.flag]) <= gallery.positions.max(initial=-1):
                got = f"{len(votes[kind.flag])} examples"
                raise PrunescopeError(
                    "gallery images have no votes", expected="images of the view", got=got, where=view
                )
            if votes[kind.flag][gallery.positions].any():
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


def _note(gallery: Gallery, most: int, kind: Kind) -> str:
    chosen = f"At most {most} images for each recipe and sparsity, spread over the classes, {kind.note}"
    shrunk = f" Images are shrunk to {LARGEST} pixels." if max(gallery.images.shape[2:]) > LARGEST else ""
    return chosen + shrunk
