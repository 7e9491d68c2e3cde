import numpy as np
import pytest
import torch
from scipy import ndimage

from prunescope.data.shifts import SHIFTS, Draws
from prunescope.data.shifts.edges import canny, distance, equalize
from prunescope.data.shifts.spatter import water

SIZES = [(32, 32), (28, 28), (8, 8), (17, 23)]
CASES = [
    (severity, channels, size) for severity in range(1, 6) for channels, size in zip((3, 1, 3, 1), SIZES, strict=True)
]
TABLE = (
    (0.62, 0.1, 0.7, 0.7, 0.5),
    (0.65, 0.1, 0.8, 0.7, 0.5),
    (0.65, 0.3, 1, 0.69, 0.5),
    (0.65, 0.1, 0.7, 0.69, 0.6),
    (0.65, 0.1, 0.5, 0.68, 0.6),
)


def outlines(plane, low=50, high=150):
    """Canny pixel by pixel with a stack, on a plane of whole numbers."""
    height, width = plane.shape
    gx = ndimage.sobel(plane.astype(int), axis=1, mode="nearest")
    gy = ndimage.sobel(plane.astype(int), axis=0, mode="nearest")
    strength = np.pad(np.abs(gx) + np.abs(gy), 1)
    ridge = np.zeros((height, width), dtype=bool)
    for y, x in np.ndindex(height, width):
        here, angle = strength[y + 1, x + 1], np.degrees(np.arctan2(abs(gy[y, x]), abs(gx[y, x])))
        if angle < 22.5:
            before, after, tie = (0, -1), (0, 1), True
        elif angle > 67.5:
            before, after, tie = (-1, 0), (1, 0), True
        elif (gx[y, x] < 0) == (gy[y, x] < 0):
            before, after, tie = (-1, -1), (1, 1), False
        else:
            before, after, tie = (-1, 1), (1, -1), False
        first, second = strength[y + 1 + before[0], x + 1 + before[1]], strength[y + 1 + after[0], x + 1 + after[1]]
        ridge[y, x] = here > low and here > first and (here >= second if tie else here > second)
    edges = np.zeros_like(ridge)
    stack = [(y, x) for y, x in np.argwhere(ridge) if strength[y + 1, x + 1] > high]
    while stack:
        y, x = stack.pop()
        if 0 <= y < height and 0 <= x < width and ridge[y, x] and not edges[y, x]:
            edges[y, x] = True
            stack += [(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    return edges


def equalized(levels):
    counts = np.bincount(levels.ravel(), minlength=256)
    lowest = np.flatnonzero(counts)[0]
    if counts[lowest] == levels.size:
        return levels
    # OpenCV's scale is a float32.
    scale = np.float32(255) / np.float32(levels.size - counts[lowest])
    table = np.round((np.cumsum(counts) - counts[lowest]).astype(np.float32) * scale)
    return np.clip(table, 0, 255).astype(int)[levels]


def published_water(liquid):
    depth = np.floor(np.clip(liquid * 255, 0, 255)).astype(int)
    edges = outlines(depth)
    far = np.full(depth.shape, 20.0) if not edges.any() else ndimage.distance_transform_edt(~edges)
    near = ndimage.uniform_filter(np.minimum(far, 20), 3, mode="mirror")
    levels = equalized(np.floor(near + 1e-5).astype(int))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = np.clip(ndimage.correlate(levels, emboss, mode="mirror"), 0, 255)
    light = depth * np.round(ndimage.uniform_filter(relief.astype(float), 3, mode="mirror"))
    return light / max(light.max(), 1)


def shifted(severity, images):
    member = SHIFTS.build({"spatter": severity})
    draws = Draws.of_images(5, member.spec(), first_index=0, count=len(images))
    return member(images, draws).double().numpy(), draws


@pytest.mark.parametrize(("severity", "channels", "size"), CASES)
def test_spatter_is_the_published_recipe(pictures, severity, channels, size):
    images = pictures(4, channels, *size).float() / 255
    mean, deviation, blur, threshold, strength = TABLE[severity - 1]
    got, draws = shifted(severity, images)
    noise = draws.normal((1, *size), "liquid").double().numpy()[:, 0] * deviation + mean
    for i, image in enumerate(images.double().numpy()):
        liquid = ndimage.gaussian_filter(noise[i], blur, mode="nearest")
        liquid[liquid < threshold] = 0
        rgb = (175, 238, 238) if severity < 4 else (63, 42, 20)
        color = np.array(rgb)[:, None, None] / 255
        if channels == 1:
            color = color[:1] * 0.299 + color[1:2] * 0.587 + color[2:] * 0.114
        if severity < 4:
            expected = image + published_water(liquid) * strength * color
        else:
            cover = ndimage.gaussian_filter((liquid > threshold).astype(float), strength, mode="nearest")
            cover[cover < 0.8] = 0
            expected = image * (1 - cover) + cover * color
        assert np.allclose(got[i], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_canny_is_the_pixelwise_definition(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(6, 20, 31)), (0, 1.5, 1.5))
    planes = np.floor(np.clip(128 + smooth * 300, 0, 255))
    got = canny(torch.from_numpy(planes)[:, None].float(), low=50, high=150)[:, 0].numpy()
    assert got.any()
    for plane, edges in zip(planes, got, strict=True):
        assert np.array_equal(edges, outlines(plane))


def test_a_straight_edge_is_found_once():
    plane = torch.zeros(1, 1, 8, 8)
    plane[..., 4:] = 200
    assert canny(plane, low=50, high=150)[0, 0].sum(1).tolist() == [1] * 8


@pytest.mark.parametrize("share", [0.0, 0.002, 0.02, 0.3])
@pytest.mark.parametrize("size", [(32, 32), (50, 9), (64, 40)])
def test_distance_is_scipys(share, size):
    edges = torch.rand(4, 1, *size, generator=torch.Generator().manual_seed(1)) < share
    got = distance(edges, 20)[:, 0].numpy()
    for plane, result in zip(edges[:, 0].numpy(), got, strict=True):
        true = ndimage.distance_transform_edt(~plane) if plane.any() else np.full(size, 99.0)
        assert np.allclose(result, np.minimum(true, 20), atol=1e-5)


def test_equalize_is_the_histogram_rule_and_keeps_a_flat_plane():
    rng = np.random.default_rng(0)
    planes = np.stack([rng.integers(0, 21, (9, 11)), rng.integers(3, 5, (9, 11)), np.full((9, 11), 7)])
    got = equalize(torch.from_numpy(planes)[:, None].float(), 20)[:, 0].numpy()
    for plane, result in zip(planes, got, strict=True):
        assert np.array_equal(result, equalized(plane))
    assert (got[2] == 7).all()


def test_without_drops_there_is_no_light():
    assert not water(torch.zeros(2, 1, 8, 8)).any()
