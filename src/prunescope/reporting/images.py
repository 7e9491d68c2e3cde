"""Images for the page: PNG data URIs, shrunk only where they are larger than the page shows them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.material import Gallery

LARGEST = 96  # pixels on the page
MOST_CLASSES = 40


def thumbnail(image: NDArray[np.uint8]) -> str:
    """Return the PNG data URI of one image ``[1 or 3, height, width]``; small images keep every pixel."""
    from PIL import Image

    pixels: NDArray[Any] = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    held = io.BytesIO()
    picture.save(held, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def class_images(gallery: Gallery | None) -> dict[str, str]:
    """Return one image of each class, the first of the gallery, at most ``MOST_CLASSES`` of them."""
    if gallery is None:
        return {}
    labels, first = np.unique(gallery.labels, return_index=True)
    found = zip(labels[:MOST_CLASSES], first[:MOST_CLASSES], strict=True)
    return {gallery.classes[int(label)]: thumbnail(gallery.images[i]) for label, i in found}
