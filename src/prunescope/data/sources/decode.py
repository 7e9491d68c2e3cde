"""Encoded images (PNG, JPEG, …) to one uint8 tensor."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.core.expansion import refuse_expansion
from prunescope.data.resize import resized_image

_RESIZE = "An audit takes --resize N"
_GREY = {"L", "1", "LA", "La"}
_DEEP = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


def decode_images(encoded: Iterable[bytes | None], where: str, *, resize: int | None = None) -> Tensor:
    """Return uint8 ``[n, channels, height, width]``: one channel if all images are grey, else three.

    Palettes, alpha and other colour spaces become RGB; images are turned as their EXIF orientation says.

    Args:
        encoded: the bytes of each image file.
        where: named by errors.
        resize: side of the square that each image is scaled and cropped to.

    Raises:
        PrunescopeError: with the row of an image that is missing, broken, too large, of another size, or deeper than
            8 bits.
    """
    pixels = bytearray()
    size, channels, count, packed = (0, 0), 1, 0, 0
    for row, data in enumerate(encoded):
        packed += len(data or b"")
        image = _opened(data, f"{where}: row {row}")
        image = image if resize is None else resized_image(image, resize)
        if row and image.size != size:
            expected, got = (f"{h}×{w}" for w, h in (size, image.size))
            raise PrunescopeError(
                "images differ in size", expected=expected, got=got, where=f"{where}: row {row}", remedy=_RESIZE
            )
        if channels == 1 and image.mode == "RGB":
            pixels = bytearray(np.repeat(np.frombuffer(pixels, np.uint8), 3).tobytes())
            channels = 3
        size, count = image.size, row + 1
        refuse_expansion(packed, len(pixels) + channels * size[0] * size[1], f"{where}: row {row}")
        pixels += (image if channels == 1 or image.mode == "RGB" else image.convert("RGB")).tobytes()
    if not count:
        return torch.empty(0, 1, 0, 0, dtype=torch.uint8)
    flat = torch.frombuffer(pixels, dtype=torch.uint8).view(count, size[1], size[0], channels)
    return flat.permute(0, 3, 1, 2).contiguous()


def _opened(data: bytes | None, where: str) -> Image.Image:
    """Return the decoded image in mode L or RGB."""
    if data is None:
        remedy = "Save the data set with its images embedded"
        raise PrunescopeError(
            "the image is not in the file", expected="its bytes", got="none", where=where, remedy=remedy
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data))
        image.load()
        if "exif" in image.info:
            image = ImageOps.exif_transpose(image)
        if image.mode == "P":
            image = image.convert("RGBA")  # the way round that minds no transparency
        if image.mode not in {"L", "RGB", *_DEEP}:
            image = image.convert("L" if image.mode in _GREY else "RGB")
    except Image.DecompressionBombWarning:
        expected = f"≤ {Image.MAX_IMAGE_PIXELS} pixels"
        raise PrunescopeError("the image is too large", expected=expected, where=where) from None
    except Exception as error:  # a decoder of foreign bytes can raise anything
        told = f"{type(error).__name__}: {error}"[:200]
        raise PrunescopeError("not a readable image", got=told, where=where) from None
    if image.mode in _DEEP:
        raise PrunescopeError("image too deep", expected="8 bits a channel", got=f"mode {image.mode}", where=where)
    return image
