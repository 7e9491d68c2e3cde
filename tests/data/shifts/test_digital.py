import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from prunescope.core.errors import PrunescopeError
from prunescope.data.shifts import SHIFTS, Draws, apply_shift, corrupt
from prunescope.data.shifts.jpeg import jpeg

SIZES = [(32, 32), (28, 28), (8, 8), (17, 23)]
CASES = [
    (severity, channels, size) for severity in range(1, 6) for channels, size in zip((3, 1, 3, 1), SIZES, strict=True)
]


def shifted(name, severity, images):
    member = SHIFTS.build({name: severity})
    draws = Draws.of_images(5, member.spec(), first_index=0, count=len(images))
    return member(images, draws).double().numpy(), draws


def to_pillow(image):
    array = image.numpy()
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))


def from_pillow(picture):
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_contrast_shrinks_towards_the_mean_of_each_channel(pictures, severity, channels, size):
    images = pictures(3, channels, *size).double().numpy() / 255
    factor = (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1]
    means = images.mean((2, 3), keepdims=True)
    got = corrupt(images, "contrast", severity=severity)
    assert np.allclose(got, (images - means) * factor + means, atol=1e-6)


@pytest.mark.parametrize("severity", range(1, 6))
def test_saturate_is_colorsys_pixel_by_pixel(pictures, severity):
    images = pictures(2, 3, 12, 12).float() / 255
    images[0, :, 0, 0] = 0.0
    images[0, :, 0, 1] = 0.5
    factor, offset = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))[severity - 1]
    got = shifted("saturate", severity, images)[0]
    for image, result in zip(images.double().numpy(), got, strict=True):
        for y, x in np.ndindex(12, 12):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[:, y, x])
            expected = colorsys.hsv_to_rgb(hue, min(max(saturation * factor + offset, 0), 1), value)
            assert np.allclose(result[:, y, x], expected, atol=1e-6)


def test_grey_images_have_no_saturation_to_change(pictures):
    with pytest.raises(PrunescopeError, match="Grey images have no saturation"):
        corrupt(pictures(2, 1), "saturate")


@pytest.mark.parametrize(("severity", "channels", "size"), [*CASES, (3, 3, (4, 4)), (3, 3, (5, 7)), (5, 3, (33, 47))])
def test_jpeg_is_pillows_to_the_byte(pictures, severity, channels, size):
    noise = torch.randint(0, 256, (3, channels, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = torch.cat([pictures(3, channels, *size), noise])
    got = corrupt(images, "jpeg", severity=severity).numpy()
    for image, result in zip(images, got, strict=True):
        buffer = io.BytesIO()
        to_pillow(image).save(buffer, "JPEG", quality=(80, 65, 58, 50, 40)[severity - 1])
        assert np.array_equal(result, from_pillow(Image.open(buffer)))


@pytest.mark.parametrize("quality", [1, 10, 49, 51, 95, 100])
def test_the_codec_is_pillows_at_other_qualities(pictures, quality):
    images = pictures(3)
    got = jpeg(images.int(), quality).numpy()
    for image, result in zip(images, got, strict=True):
        buffer = io.BytesIO()
        to_pillow(image).save(buffer, "JPEG", quality=quality)
        assert np.array_equal(result, from_pillow(Image.open(buffer)))


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_pixelate_is_pillows_box_filter(pictures, severity, channels, size):
    images = pictures(3, channels, *size)
    share = (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1]
    got = corrupt(images, "pixelate", severity=severity).numpy().astype(int)
    height, width = size
    for image, result in zip(images, got, strict=True):
        small = to_pillow(image).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
        expected = from_pillow(small.resize((width, height), Image.Resampling.BOX)).astype(int)
        assert np.abs(result - expected).max() <= 1
        assert np.abs((result - expected).mean()) < 0.5


@pytest.mark.parametrize("size", range(4, 60))
def test_pixelate_finds_pillows_boxes_at_every_size(size):
    ramp = torch.arange(size, dtype=torch.uint8).mul_(4).repeat(1, 1, size, 1)
    for severity, share in enumerate((0.95, 0.9, 0.85, 0.75, 0.65), 1):
        box, small = Image.Resampling.BOX, int(size * share)
        expected = from_pillow(to_pillow(ramp[0]).resize((small, small), box).resize((size, size), box))
        got = corrupt(ramp, "pixelate", severity=severity)[0].numpy()
        # Neighbours differ by 4 levels, so a pixel in another box would show.
        assert np.abs(got.astype(int) - expected).max() <= 1


def deform(image, corners, field, alpha, sigma, jitter):
    """The published recipe for one plane with scipy's interpolation; arrays in float64."""
    height, width = image.shape
    reach, centre = min(height, width) // 3, np.array([height // 2, width // 2])
    points = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + jitter * corners
    solved = np.linalg.solve(np.c_[points, np.ones(3)], moved)
    forward = np.vstack([solved.T, [0, 0, 1]])
    turned = ndimage.affine_transform(image, np.linalg.inv(forward), order=1, mode="mirror")
    if alpha == 0:
        return turned
    down, right = (ndimage.gaussian_filter(f, sigma, mode="reflect", truncate=3) * alpha for f in field)
    rows, columns = np.mgrid[:height, :width]
    return ndimage.map_coordinates(turned, [rows + down, columns + right], order=1, mode="reflect")


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_elastic_is_scipys_affine_map_and_displacement(pictures, severity, channels, size):
    images = pictures(3, channels, *size).float() / 255
    table = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
    parameters = [part * min(size) for part in table[severity - 1]]
    got, draws = shifted("elastic", severity, images)
    corners = draws.uniform((3, 2), "corners").double().numpy() * 2 - 1
    field = draws.uniform((2, *size), "field").double().numpy() * 2 - 1
    for i, image in enumerate(images.double().numpy()):
        expected = [deform(plane, corners[i], field[i], *parameters) for plane in image]
        assert np.allclose(got[i], expected, atol=2e-4)


def test_elastic_leaves_a_flat_image():
    flat = torch.full((3, 3, 9, 14), 0.25)
    for severity in range(1, 6):
        assert np.allclose(shifted("elastic", severity, flat)[0], 0.25, atol=1e-6)


def test_without_colour_to_add_saturation_three_keeps_a_grey_picture(pictures):
    grey = pictures(2, 1).expand(-1, 3, -1, -1).contiguous()
    assert torch.equal(apply_shift(SHIFTS.build({"saturate": 3}), grey, seed=0), grey)
    reddish = apply_shift(SHIFTS.build({"saturate": 5}), grey, seed=0)
    assert torch.equal(reddish[:, 0], grey[:, 0]) and bool((reddish[:, 1] <= grey[:, 1]).all())
