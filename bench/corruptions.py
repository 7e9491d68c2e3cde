"""Corruptions of 10 000 CIFAR-size images: ours in batches against NumPy, SciPy and Pillow one image at a time.

Both on one thread, uint8 in and out, severity 3, in seconds of processor time, so that other work on the machine counts
little. The peers follow the published generator step by step, from a Pillow image and ``numpy.random`` on, with SciPy
in the place of scikit-image, OpenCV and ImageMagick; they are timed on a subset and scaled. Frost takes the same
texture on both sides.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from prunescope.data.shifts import SHIFTS, apply_shift
from prunescope.data.shifts.frost_texture import frost_plates

IMAGES = 10_000
SUBSET = 40
REPEATS = 5

Picture = Image.Image
Floats = NDArray[np.float64]
Peer = Callable[[Picture, np.random.RandomState], NDArray[np.generic]]


def rows() -> list[tuple[str, float, float]]:
    """Return (comparison, seconds of ours, seconds of the peer) for each corruption."""
    images = _synthetic_images()
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images[:SUBSET]]
    result = []
    with _one_thread():
        for name, peer in PEERS.items():
            ours, theirs = _best_times(name, images, peer, pictures)
            result.append((f"corrupt {name}, {IMAGES} images", ours, theirs * IMAGES / SUBSET))
    return result


def _best_times(name: str, images: torch.Tensor, peer: Peer, pictures: list[Picture]) -> tuple[float, float]:
    """Return the best time of ours over all images and of the peer over the subset, taken in turns.

    A first call makes the tables of ours, as in any longer run.
    """
    shift, rng = SHIFTS.build({name: 3}), np.random.RandomState(0)
    apply_shift(shift, images[:200], seed=0)

    def run_peer() -> None:
        for picture in pictures:
            peer(picture, rng).astype(np.uint8)

    turns = [(_clock(lambda: apply_shift(shift, images, seed=0)), _clock(run_peer)) for _ in range(REPEATS)]
    return min(ours for ours, _ in turns), min(theirs for _, theirs in turns)


def _synthetic_images() -> torch.Tensor:
    """Return smooth random pictures, uint8 ``[10 000, 3, 32, 32]``."""
    coarse = torch.rand(IMAGES, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return (torch.nn.functional.interpolate(coarse, size=32, mode="bilinear") * 255).to(torch.uint8)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold torch to one thread, as the peers are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _clock(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _to_levels(image: Floats) -> Floats:
    """Return an image in [0, 1] in 8-bit levels."""
    return np.clip(image, 0, 1) * 255


def _gaussian_noise(picture: Picture, rng: np.random.RandomState) -> Floats:
    return _to_levels(np.array(picture) / 255.0 + rng.normal(size=(32, 32, 3), scale=0.08))


def _shot_noise(picture: Picture, rng: np.random.RandomState) -> Floats:
    return _to_levels(rng.poisson(np.array(picture) / 255.0 * 100) / 100)


def _impulse_noise(picture: Picture, rng: np.random.RandomState) -> Floats:
    noisy = np.array(picture) / 255.0
    hit, salt = rng.random_sample(noisy.shape) <= 0.03, rng.random_sample(noisy.shape) <= 0.5
    noisy[hit & salt], noisy[hit & ~salt] = 1, 0
    return _to_levels(noisy)


def _speckle_noise(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    return _to_levels(image + image * rng.normal(size=image.shape, scale=0.12))


def _blurred(image: Floats, sigma: float) -> Floats:
    return ndimage.gaussian_filter(image, (sigma, sigma, 0)[: image.ndim], mode="nearest")


def _gaussian_blur(picture: Picture, rng: np.random.RandomState) -> Floats:
    return _to_levels(_blurred(np.array(picture) / 255.0, 0.7))


def _glass_blur(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = (_blurred(np.array(picture) / 255.0, 0.4) * 255).astype(np.uint8)
    for h in range(31, 1, -1):
        for w in range(31, 1, -1):
            dx, dy = rng.randint(-1, 1, size=2)
            image[h, w] = image[h + dy, w + dx]
    return _to_levels(_blurred(image / 255.0, 0.4))


def _defocus_blur(picture: Picture, rng: np.random.RandomState) -> Floats:
    taps = np.exp(-0.5 * (np.arange(-1, 2) / 0.6) ** 2)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    image = np.array(picture) / 255.0
    return _to_levels(np.stack([ndimage.correlate(image[..., c], kernel, mode="mirror") for c in range(3)], -1))


def _smeared(image: Floats, degrees: float, radius: int, sigma: float) -> Floats:
    taps = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    reach, height, width = 2 * radius, *image.shape[:2]
    padded = np.pad(image, [(reach, reach), (reach, reach), (0, 0)][: image.ndim], mode="edge")
    total = np.zeros_like(image)
    for i, tap in enumerate(taps / taps.sum()):
        y = reach + math.ceil(i * math.sin(math.radians(degrees)) - 0.5)
        x = reach + math.ceil(i * math.cos(math.radians(degrees)) - 0.5)
        total += tap * padded[y : y + height, x : x + width]
    return total


def _motion_blur(picture: Picture, rng: np.random.RandomState) -> Floats:
    return _to_levels(_smeared(np.array(picture) / 255.0, rng.uniform(-45, 45), 6, 2.0))


def _zoomed(image: Floats, factor: float) -> Floats:
    side = len(image)
    crop = math.ceil(side / factor)
    top = (side - crop) // 2
    factors = (factor, factor, 1)[: image.ndim]
    larger = ndimage.zoom(image[top : top + crop, top : top + crop], factors, order=1)
    trim = (len(larger) - side) // 2
    return np.asarray(larger[trim : trim + side, trim : trim + side])


def _zoom_blur(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    zooms = [_zoomed(image, factor) for factor in np.arange(1, 1.155, 0.01)]
    return _to_levels((image + sum(zooms)) / (len(zooms) + 1))


def _snow(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    flakes = _zoomed(rng.normal(size=(32, 32), loc=0.15, scale=0.3), 1.75)
    flakes[flakes < 0.55] = 0
    layer = _smeared(np.clip(flakes, 0, 1), rng.uniform(-135, -45), 10, 4.0)[..., None]
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    image = 0.9 * image + 0.1 * np.maximum(image, grey * 1.5 + 0.5)
    return _to_levels(image + layer + np.rot90(layer, 2))


def _frost(picture: Picture, rng: np.random.RandomState) -> Floats:
    plate = _frost_photographs()[rng.randint(5)]
    y, x = rng.randint(0, len(plate) - 32, size=2)
    return np.clip(0.9 * np.array(picture) + 0.4 * plate[y : y + 32, x : x + 32], 0, 255)


@cache
def _frost_photographs() -> Floats:
    return frost_plates(32, 3, torch.device("cpu")).permute(1, 2, 3, 0).numpy().astype(np.float64) * 255


def _plasma(rng: np.random.RandomState, side: int, decay: float) -> Floats:
    field, step, wobble = np.zeros((side, side)), side, 100.0

    def displaced(total: Floats) -> Floats:
        return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corner = field[::step, ::step]
        total = corner + np.roll(corner, -1, 0)
        field[half::step, half::step] = displaced(total + np.roll(total, -1, 1))
        centre = field[half::step, half::step]
        field[::step, half::step] = displaced(centre + np.roll(centre, 1, 0) + corner + np.roll(corner, -1, 1))
        field[half::step, ::step] = displaced(centre + np.roll(centre, 1, 1) + corner + np.roll(corner, -1, 0))
        step, wobble = half, wobble / decay
    field -= field.min()
    return np.asarray(field / field.max())


def _fog(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    brightest = image.max()
    return _to_levels((image + 0.75 * _plasma(rng, 32, 2.5)[..., None]) * brightest / (brightest + 0.75))


def _to_hsv(image: Floats) -> tuple[Floats, Floats, Floats]:
    value, chroma = image.max(-1), np.ptp(image, -1)
    red, green, blue = np.moveaxis(image, -1, 0)
    safe = np.where(chroma > 0, chroma, 1)
    hue = np.where(value == blue, 4 + (red - green) / safe, 0)
    hue = np.where(value == green, 2 + (blue - red) / safe, hue)
    hue = np.where(value == red, (green - blue) / safe, hue)
    return np.where(chroma > 0, hue / 6 % 1, 0), chroma / np.where(value > 0, value, 1), value


def _from_hsv(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p, q, t = value * (1 - saturation), value * (1 - part * saturation), value * (1 - (1 - part) * saturation)
    turns = [(value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q)]
    choice = np.repeat((sector.astype(np.uint8) % 6)[..., None], 3, -1)
    return np.choose(choice, [np.stack(turn, -1) for turn in turns])


def _brightness(picture: Picture, rng: np.random.RandomState) -> Floats:
    hue, saturation, value = _to_hsv(np.array(picture) / 255.0)
    return _to_levels(_from_hsv(hue, saturation, np.clip(value + 0.15, 0, 1)))


def _saturate(picture: Picture, rng: np.random.RandomState) -> Floats:
    hue, saturation, value = _to_hsv(np.array(picture) / 255.0)
    return _to_levels(_from_hsv(hue, np.clip(saturation * 1.5, 0, 1), value))


def _contrast(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    means = image.mean((0, 1), keepdims=True)
    return _to_levels((image - means) * 0.4 + means)


def _jpeg(picture: Picture, rng: np.random.RandomState) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=58)
    return np.asarray(Image.open(buffer))


def _pixelate(picture: Picture, rng: np.random.RandomState) -> NDArray[np.uint8]:
    box = Image.Resampling.BOX
    return np.asarray(picture.resize((27, 27), box).resize((32, 32), box))


def _elastic(picture: Picture, rng: np.random.RandomState) -> Floats:
    image = np.array(picture) / 255.0
    corners = np.array([[26.0, 26, 1], [26, 6, 1], [6, 6, 1]])
    moved = corners[:, :2] + rng.uniform(-1.92, 1.92, size=(3, 2))
    matrix = np.vstack([np.linalg.solve(corners, moved).T, [0, 0, 1]])
    inverse = np.linalg.inv(matrix)
    turned = [ndimage.affine_transform(image[..., c], inverse, order=1, mode="mirror") for c in range(3)]
    down, right = (ndimage.gaussian_filter(rng.uniform(-1, 1, (32, 32)), 1.92, truncate=3) * 2.56 for _ in range(2))
    y, x = np.mgrid[:32, :32]
    places = [y + down, x + right]
    return _to_levels(np.stack([ndimage.map_coordinates(t, places, order=1, mode="reflect") for t in turned], -1))


def _outlines(depth: Floats) -> NDArray[np.bool_]:
    across, down = (ndimage.sobel(depth, axis, mode="nearest") for axis in (1, 0))
    strength = np.abs(across) + np.abs(down)
    padded = np.pad(strength, 1)

    def at(y: int, x: int) -> Floats:
        return padded[1 + y : 33 + y, 1 + x : 33 + x]

    slope = np.abs(down) / np.maximum(np.abs(across), 1e-9)
    sideways = (strength > at(0, -1)) & (strength >= at(0, 1))
    upright = (strength > at(-1, 0)) & (strength >= at(1, 0))
    slash = (strength > at(-1, 1)) & (strength > at(1, -1))
    backslash = (strength > at(-1, -1)) & (strength > at(1, 1))
    slanted = np.where((across < 0) != (down < 0), slash, backslash)
    ridge = np.where(slope < 0.41421356, sideways, np.where(slope > 2.41421356, upright, slanted)) & (strength > 50)
    labels, count = ndimage.label(ridge, np.ones((3, 3)))
    strong = np.zeros(count + 1, dtype=bool)
    strong[labels[ridge & (strength > 150)]] = True
    return np.asarray(strong[labels] & ridge)


def _spatter(picture: Picture, rng: np.random.RandomState) -> Floats:
    liquid = _blurred(rng.normal(size=(32, 32), loc=0.65, scale=0.3), 1.0)
    liquid[liquid < 0.69] = 0
    depth = np.floor(np.clip(liquid * 255, 0, 255))
    near = np.minimum(ndimage.distance_transform_edt(~_outlines(depth)), 20)
    levels = ndimage.uniform_filter(near, 3, mode="mirror").astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256)
    lowest = np.flatnonzero(counts)[0]
    table = np.round((np.cumsum(counts) - counts[lowest]) * (255 / max(levels.size - counts[lowest], 1)))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = np.clip(ndimage.correlate(table[levels], emboss, mode="mirror"), 0, 255)
    light = depth * np.round(ndimage.uniform_filter(relief, 3, mode="mirror"))
    light *= 0.5 / max(light.max(), 1)
    return _to_levels(np.array(picture) / 255.0 + light[..., None] * (np.array([175, 238, 238]) / 255))


PEERS: dict[str, Peer] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "speckle_noise": _speckle_noise,
    "gaussian_blur": _gaussian_blur,
    "glass_blur": _glass_blur,
    "defocus_blur": _defocus_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturate": _saturate,
    "jpeg": _jpeg,
    "pixelate": _pixelate,
    "elastic": _elastic,
    "spatter": _spatter,
}


def main() -> None:
    """Print the table, with the geometric mean of the ratios last."""
    print("comparison | ours | peer | ratio")
    ratios = []
    for comparison, ours, peer in rows():
        ratios.append(peer / ours)
        print(f"{comparison} | {ours:.3f}s | {peer:.2f}s | {ratios[-1]:.1f}x")
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"geometric mean of {len(ratios)} corruptions |  |  | {mean:.1f}x")


if __name__ == "__main__":
    main()
