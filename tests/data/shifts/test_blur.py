import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from prunescope.data.shifts import SHIFTS, Draws

SIZES = [(32, 32), (28, 28), (8, 8), (17, 23)]
CASES = [
    (severity, channels, size) for severity in range(1, 6) for channels, size in zip((3, 1, 3, 1), SIZES, strict=True)
]


def shifted(name, severity, images):
    """The result of a member on float images, and the draws it took."""
    member = SHIFTS.build({name: severity})
    draws = Draws.of_images(5, member.spec(), first_index=0, count=len(images))
    return member(images, draws).double().numpy(), draws


def floats(pictures, channels, size):
    return pictures(3, channels, *size).float() / 255


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_gaussian_blur_is_scipys(pictures, severity, channels, size):
    images = floats(pictures, channels, size)
    sigma = (0.4, 0.6, 0.7, 0.8, 1.0)[severity - 1]
    expected = ndimage.gaussian_filter(images.double().numpy(), (0, 0, sigma, sigma), mode="nearest")
    assert np.allclose(shifted("gaussian_blur", severity, images)[0], expected, atol=1e-6)


def disk(radius, alias):
    """The published kernel, by its definition on the whole grid."""
    grid = np.arange(-8, 9)
    inside = np.array([[float(x * x + y * y <= radius**2) for x in grid] for y in grid])
    taps = [math.exp(-(k * k) / (2 * alias**2)) for k in (-1, 0, 1)]
    gauss = np.outer(taps, taps) / sum(taps) ** 2
    return ndimage.correlate(inside / inside.sum(), gauss, mode="mirror")


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_defocus_blur_is_a_correlation_with_the_published_disk(pictures, severity, channels, size):
    images = floats(pictures, channels, size)
    kernel = disk(*((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity - 1])
    # 17 × 17 reaches beyond small images; scipy wants the part that is not zero.
    kernel = kernel[5:12, 5:12]
    planes = images.double().numpy().reshape(-1, *size)
    expected = np.stack([ndimage.correlate(plane, kernel, mode="mirror") for plane in planes])
    got = shifted("defocus_blur", severity, images)[0].reshape(expected.shape)
    assert np.allclose(got, expected, atol=3e-5)


def smear(plane, degrees, radius, sigma):
    """Motion blur pixel by pixel."""
    height, width = plane.shape
    weights = [math.exp(-i * i / (2 * sigma**2)) for i in range(2 * radius + 1)]
    out = np.zeros_like(plane)
    for i, weight in enumerate(weights):
        right = math.ceil(i * math.cos(math.radians(degrees)) - 0.5)
        down = math.ceil(i * math.sin(math.radians(degrees)) - 0.5)
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        out += weight / sum(weights) * plane[np.ix_(rows, columns)]
    return out


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_motion_blur_smears_each_image_along_its_own_angle(pictures, severity, channels, size):
    images = floats(pictures, channels, size)
    got, draws = shifted("motion_blur", severity, images)
    degrees = draws.uniform((), "angle").double().numpy() * 90 - 45
    assert len(set(degrees)) == len(images)
    parameters = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[severity - 1]
    for image, angle, result in zip(images.double().numpy(), degrees, got, strict=True):
        expected = [smear(plane, float(angle), *parameters) for plane in image]
        assert np.allclose(result, expected, atol=1 / 30 / 255)


def test_motion_angles_cover_the_published_range():
    draws = Draws.of_images(0, SHIFTS.build("motion_blur").spec(), first_index=0, count=2000)
    degrees = draws.uniform((), "angle") * 90 - 45
    assert -45 <= float(degrees.min()) < -44.5 and 44.5 < float(degrees.max()) < 45


def clipped_zoom(image, factor):
    """The published zoom of an image [height, width], with scipy's interpolation."""
    crops, tops = [], []
    for side in image.shape:
        crops.append(math.ceil(side / factor))
        tops.append((side - crops[-1]) // 2)
    part = image[tops[0] : tops[0] + crops[0], tops[1] : tops[1] + crops[1]]
    large = ndimage.zoom(part, factor, order=1)
    trims = [(large.shape[axis] - image.shape[axis]) // 2 for axis in (0, 1)]
    return large[trims[0] : trims[0] + image.shape[0], trims[1] : trims[1] + image.shape[1]]


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_zoom_blur_is_the_mean_over_scipys_zooms(pictures, severity, channels, size):
    images = floats(pictures, channels, size)
    factors = [1 + 0.01 * step for step in range(5 * severity + 1)]
    planes = images.double().numpy().reshape(-1, *size)
    expected = np.stack([(p + sum(clipped_zoom(p, f) for f in factors)) / (len(factors) + 1) for p in planes])
    got = shifted("zoom_blur", severity, images)[0].reshape(expected.shape)
    assert np.allclose(got, expected, atol=1e-5)


def published_glass(image, sigma, steps):
    """The published loop, whose swap runs over views of the pixels; ``image`` is [height, width, channels]."""
    blur = (sigma, sigma, 0)
    x = np.uint8(np.round(ndimage.gaussian_filter(image, blur, mode="nearest") * 255, 6))
    height, width = x.shape[:2]
    for step in steps:
        for h in range(height - 1, 1, -1):
            for w in range(width - 1, 1, -1):
                dx, dy = -(step[h - 2, w - 2] & 1), -(step[h - 2, w - 2] >> 1)
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
    return ndimage.gaussian_filter(x / 255.0, blur, mode="nearest")


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_glass_blur_is_the_published_loop(pictures, severity, channels, size):
    images = floats(pictures, channels, size)
    sigma, iterations = ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))[severity - 1]
    got, draws = shifted("glass_blur", severity, images)
    shape = (size[0] - 2, size[1] - 2)
    steps = np.stack([draws.integers(4, shape, f"step {i}").numpy() for i in range(iterations)], 1)
    for image, step, result in zip(images.double().numpy(), steps, got, strict=True):
        expected = published_glass(image.transpose(1, 2, 0), sigma, step).transpose(2, 0, 1)
        # Where the first blur gives a whole level to what float32 resolves, truncation may go either way.
        difference = np.abs(result - expected)
        assert difference.max() < 1.01 / 255
        assert (difference > 1e-5).mean() < 0.1


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "glass_blur"])
def test_a_blur_keeps_a_flat_image(name):
    flat = torch.full((2, 3, 16, 16), 51 / 255)
    for severity in range(1, 6):
        assert np.allclose(shifted(name, severity, flat)[0], 51 / 255, atol=1e-4)
