"""Pictures: example images of every shift, and images reduced to the pixels that a network needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.images import thumbnail
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Picture, Pictures
from prunescope.reporting.shifts import called
from prunescope.reporting.wording import sparsity

MOST_IMAGES = 4
HIDDEN = 128  # grey of a masked pixel on the page


def shift_pictures(reading: Reading) -> Pictures | None:
    """Return the same images on every view, with how a shift departs from what was published."""
    shown = reading.material.shifted
    if len(shown) < 2:
        return None
    rows = tuple(
        Picture(called(one.view), one.departure, tuple(thumbnail(image) for image in one.images[:MOST_IMAGES]))
        for one in shown
    )
    return Pictures(caption="The same images on every view, as the networks saw them", heads=(), rows=rows)


def pixel_pictures(reading: Reading, recipe: str, names: list[str]) -> Pictures | None:
    """Return images beside what is left of them when each network keeps the pixels it needs most."""
    arrays = reading.material.arrays.get((recipe, "", "", "informative_pixels"))
    if arrays is None:
        return None
    images, orders, kept = arrays["images"], arrays["orders"], int(arrays["kept"][0])
    rows = tuple(
        Picture(
            "", "", tuple(thumbnail(picture) for picture in (image, *(_only(image, order[-kept:]) for order in own)))
        )
        for image, own in zip(images[:MOST_IMAGES], orders.swapaxes(0, 1), strict=False)
    )
    pixels = orders.shape[2]
    caption = f"{recipe}: the {kept} of {pixels} pixels that each network needs most ({kept / pixels:.0%})"
    return Pictures(caption=caption, heads=("image", *map(network, names)), rows=rows)


def network(name: str) -> str:
    """Return a network's name for people: a sparsity in percent, others as they are."""
    return sparsity(float(name)) if name.replace(".", "", 1).replace("e-", "", 1).isdigit() else name


def _only(image: NDArray[np.uint8], kept: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the image with all other pixels grey."""
    shown = np.full_like(image, HIDDEN).reshape(len(image), -1)
    shown[:, kept] = image.reshape(len(image), -1)[:, kept]
    return shown.reshape(image.shape)
