import colorsys
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from prunescope.data.shifts import SHIFTS, Draws, corrupt
from prunescope.data.shifts.frost_texture import frost_plates

SIZES = [(32, 32), (28, 28), (8, 8), (17, 23)]
CASES = [
    (severity, channels, size) for severity in range(1, 6) for channels, size in zip((3, 1, 3, 1), SIZES, strict=True)
]


def shifted(name, severity, images):
    member = SHIFTS.build({name: severity})
    draws = Draws.of_images(5, member.spec(), first_index=0, count=len(images))
    return member(images, draws).double().numpy(), draws


def luma(image):
    return image[0] if len(image) == 1 else 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


@pytest.mark.parametrize("severity", range(1, 6))
def test_brightness_is_colorsys_pixel_by_pixel(pictures, severity):
    images = pictures(2, 3, 12, 12).float() / 255
    images[0, :, 0, 0] = 0.0
    got = shifted("brightness", severity, images)[0]
    for image, result in zip(images.double().numpy(), got, strict=True):
        for y, x in np.ndindex(12, 12):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[:, y, x])
            lifted = min(value + (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1], 1)
            assert np.allclose(result[:, y, x], colorsys.hsv_to_rgb(hue, saturation, lifted), atol=1e-6)


def test_brightness_of_a_grey_image_is_an_addition(pictures):
    images = pictures(3, 1).numpy() / 255
    assert np.allclose(corrupt(images, "brightness", severity=4), np.minimum(images + 0.2, 1), atol=1e-6)


def published_plasma(wobble, decay):
    """Diamond-square point by point on a torus, given the uniform number of each point."""
    side = len(wobble)
    field, step, amplitude = np.zeros((side, side)), side, 100.0

    def place(y, x, neighbours):
        mean = sum(field[a % side, b % side] for a, b in neighbours) / 4
        return mean + amplitude**2 * (2 * wobble[y, x] - 1)

    while step >= 2:
        half = step // 2
        for y in range(half, side, step):
            for x in range(half, side, step):
                field[y, x] = place(y, x, [(y + a, x + b) for a in (-half, half) for b in (-half, half)])
        edges = [(y, x) for y in range(0, side, half) for x in range(0, side, half) if (y + x) // half % 2]
        values = [place(y, x, [(y - half, x), (y + half, x), (y, x - half), (y, x + half)]) for y, x in edges]
        for (y, x), value in zip(edges, values, strict=True):
            field[y, x] = value
        step, amplitude = half, amplitude / decay
    return (field - field.min()) / (field.max() - field.min())


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_fog_is_a_veil_of_plasma(pictures, severity, channels, size):
    images = pictures(2, channels, *size).float() / 255
    strength, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[severity - 1]
    got, draws = shifted("fog", severity, images)
    side = 8 if max(size) == 8 else 32
    wobble = draws.uniform((side, side), "plasma").double().numpy()
    for i, image in enumerate(images.double().numpy()):
        veil = published_plasma(wobble[i], decay)[: size[0], : size[1]]
        brightest = image.max()
        assert np.allclose(got[i], (image + strength * veil) * brightest / (brightest + strength), atol=1e-5)


def zoomed(layer, factor):
    crops = [math.ceil(side / factor) for side in layer.shape]
    tops = [(side - crop) // 2 for side, crop in zip(layer.shape, crops, strict=True)]
    large = ndimage.zoom(layer[tops[0] : tops[0] + crops[0], tops[1] : tops[1] + crops[1]], factor, order=1)
    trims = [(a - b) // 2 for a, b in zip(large.shape, layer.shape, strict=True)]
    return large[trims[0] : trims[0] + layer.shape[0], trims[1] : trims[1] + layer.shape[1]]


def smeared(layer, degrees, radius, sigma):
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    pad = 2 * radius
    wide = np.pad(layer, pad, mode="edge")
    out = np.zeros_like(layer)
    for i, weight in enumerate(weights / weights.sum()):
        y = pad + math.ceil(i * math.sin(math.radians(degrees)) - 0.5)
        x = pad + math.ceil(i * math.cos(math.radians(degrees)) - 0.5)
        out += weight * wide[y : y + layer.shape[0], x : x + layer.shape[1]]
    return out


SNOW = (
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_snow_is_the_published_recipe(pictures, severity, channels, size):
    images = pictures(3, channels, *size).float() / 255
    mean, deviation, zoom, threshold, radius, sigma, mix = SNOW[severity - 1]
    got, draws = shifted("snow", severity, images)
    noise = draws.normal((1, *size), "flakes").double().numpy()[:, 0] * deviation + mean
    degrees = draws.uniform((), "angle").double().numpy() * 90 - 135
    for i, image in enumerate(images.double().numpy()):
        flakes = zoomed(noise[i], zoom)
        flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
        layer = smeared(flakes, float(degrees[i]), radius, sigma)
        white = np.maximum(image, luma(image) * 1.5 + 0.5)
        expected = mix * image + (1 - mix) * white + layer + np.rot90(layer, 2)
        assert np.allclose(got[i], expected, atol=3e-4)


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_frost_adds_a_crop_of_a_plate(pictures, severity, channels, size):
    images = pictures(3, channels, *size).float() / 255
    weights = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[severity - 1]
    got, draws = shifted("frost", severity, images)
    plates = frost_plates(max(size), 3, torch.device("cpu")).double().numpy()
    side = plates.shape[-1]
    for i, image in enumerate(images.double().numpy()):
        plate = int(draws.integers(5, (1,), "plate")[i])
        top, left = (int(draws.integers(side - d, (1,), w)[i]) for d, w in zip(size, ("top", "left"), strict=True))
        crop = plates[:, plate, top : top + size[0], left : left + size[1]]
        frost = crop if channels == 3 else luma(crop)[None]
        assert np.allclose(got[i], weights[0] * image + weights[1] * frost, atol=1e-5)


def test_frost_plates_look_like_frost():
    """White-blue, half bright, with fine crystals; and said to be procedural."""
    plates = frost_plates(32, 3, torch.device("cpu"))
    assert plates.shape == (3, 5, 160, 160)
    assert float(plates.min()) >= 0 and float(plates.max()) <= 1
    red, green, blue = plates.mean((1, 2, 3))
    assert red < green < blue
    assert 0.4 < float(green) < 0.6
    for plate in plates[1]:
        assert 0.25 < float(plate.mean()) < 0.75 and 0.15 < float(plate.std()) < 0.3
        assert float((plate[1:] - plate[:-1]).abs().mean()) > 0.03
    assert "procedural" in SHIFTS.get("frost").departure


def test_frost_comes_from_all_plates_and_places():
    frost = corrupt(np.zeros((200, 3, 8, 8), dtype=np.float32), "frost", severity=5)
    assert len(np.unique(frost[:, 0, 0, 0])) > 150
