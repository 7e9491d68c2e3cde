import io
import struct
import zlib

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from prunescope.core.errors import PrunescopeError
from prunescope.data.sources.decode import decode_images

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(256, size=(5, 4, 3), dtype=np.uint8)
GREY = RNG.integers(256, size=(5, 4), dtype=np.uint8)


def saved(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def planes(array):
    return torch.from_numpy(np.atleast_3d(array).transpose(2, 0, 1).copy())


def test_grey_stays_one_channel_and_colour_becomes_three(encode):
    grey = decode_images([encode(GREY), encode(GREY.T[::-1].T.copy())], "here")
    colour = decode_images([encode(COLOUR)] * 3, "here")
    assert torch.equal(grey[0], planes(GREY)) and grey.shape == (2, 1, 5, 4)
    assert torch.equal(colour[2], planes(COLOUR)) and colour.shape == (3, 3, 5, 4)
    assert grey.is_contiguous() and colour.is_contiguous() and colour.dtype == torch.uint8


@pytest.mark.parametrize("first", [GREY, COLOUR])
def test_grey_among_colour_becomes_colour(encode, first):
    second = COLOUR if first is GREY else GREY
    decoded = decode_images([encode(first), encode(first), encode(second)], "here")
    for image, array in zip(decoded, (first, first, second), strict=True):
        assert torch.equal(image, planes(array).expand(3, 5, 4))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_other_modes_become_what_pillow_makes_of_them(mode):
    image = (
        Image.fromarray(COLOUR).convert("P").convert(mode) if mode == "PA" else Image.fromarray(COLOUR).convert(mode)
    )
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "TIFF" if mode == "PA" else "PNG"
    data = saved(image, form)
    target = "L" if mode in ("1", "L", "LA") else "RGB"
    expected = np.asarray(Image.open(io.BytesIO(data)).convert(target))
    assert torch.equal(decode_images([data], "here")[0], planes(expected))


def test_a_palette_with_transparency_is_read():
    data = saved(Image.fromarray(COLOUR).convert("P"), transparency=bytes(range(20)))
    assert decode_images([data], "here").shape == (1, 3, 5, 4)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_decoding_agrees_with_the_datasets_library(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = [
        saved(Image.fromarray(COLOUR), "JPEG", exif=exif),
        saved(Image.fromarray(COLOUR[::-1].copy()), "JPEG", exif=exif),
    ]
    reference = [datasets.Image().decode_example({"bytes": one, "path": None}) for one in data]
    assert torch.equal(decode_images(data, "here"), torch.stack([planes(np.asarray(image)) for image in reference]))


def test_nothing_decodes_to_nothing():
    assert len(decode_images([], "here")) == 0


def bomb():
    """Return the beginning of a PNG that claims 60 000 × 60 000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + check + struct.pack(">I", 99) + b"IDAT"


def test_images_that_cannot_be_used_are_refused_with_their_row(encode):
    good = encode(COLOUR)
    cases = {
        "not in the file": None,
        "not a readable image; got UnidentifiedImageError": b"not an image",
        "not a readable image; got [A-Z]": good[: len(good) // 2],
        "differ in size; expected 5×4, got 4×5": encode(COLOUR.transpose(1, 0, 2).copy()),
        "image too deep; expected 8 bits a channel, got mode I;16": saved(Image.fromarray(GREY.astype(np.uint16))),
        "not a readable image; got DecompressionBomb": bomb(),
    }
    for told, data in cases.items():
        with pytest.raises(PrunescopeError, match=rf"^here: row 1: .*{told}"):
            decode_images([good, data], "here")


def test_an_image_with_more_pixels_than_anyone_photographs_is_refused_before_it_is_decoded(encode):
    whole = bytearray(encode(GREY))
    whole[16:24] = struct.pack(">II", 12_000, 12_000)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    with pytest.raises(PrunescopeError, match=r"here: row 0: the image is too large; expected ≤ 89478485 pixels"):
        decode_images([bytes(whole)], "here")


def test_small_files_may_not_unpack_to_a_large_tensor(encode, monkeypatch):
    monkeypatch.setattr("prunescope.core.expansion.MOST_BYTES", 20_000)
    white = encode(np.full((1000, 1000), 255, np.uint8))
    with pytest.raises(PrunescopeError, match=r"here: row 0: unpacks to too much"):
        decode_images([white] * 3, "here")
