import math

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import AUGMENTATIONS, Affine, ResizedCrop
from prunescope.data.warp import _weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=8, channels=3, height=9, width=7):
    return torch.randint(1, 256, (n, channels, height, width), generator=generator(9), dtype=torch.uint8)


def test_without_angle_an_affine_map_is_a_move_by_whole_pixels():
    given = images(40)
    moved = Affine(degrees=0, shift=0.3)(given, generator(1))
    offsets = set()
    for one, other in zip(given, moved, strict=True):
        found = [
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if torch.equal(shifted(one, dy, dx), other)
        ]  # fmt: skip
        assert len(found) == 1
        offsets.update(found)
    assert max(abs(dy) for dy, _ in offsets) == 3  # 0.3 · 9 rounds to 3
    assert max(abs(dx) for _, dx in offsets) == 2  # 0.3 · 7 rounds to 2


def shifted(image, dy, dx):
    out = torch.zeros_like(image)
    _, h, w = image.shape
    out[:, max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = image[
        :, max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)
    ]
    return out


def test_it_turns_about_the_centre_within_its_angle():
    """A bright pixel right of the centre of a black image moves along the circle by at most 15 degrees."""
    given = torch.zeros(400, 1, 41, 41, dtype=torch.uint8)
    given[:, :, 20, 38] = 255
    given[:, :, 20, 20] = 200
    turned = Affine(degrees=15, shift=0)(given, generator())
    assert (turned[:, 0, 20, 20] == 200).all()
    angles = []
    for image in turned[:, 0]:
        rows, columns = (image == 255).nonzero().double().mean(0) - 20 if (image == 255).any() else (0.0, 18.0)
        angles.append(math.degrees(math.atan2(rows, columns)))
        assert math.hypot(rows, columns) == pytest.approx(18, abs=0.8)
    assert 13 < max(angles) < 16.5 and -16.5 < min(angles) < -13


def test_a_quarter_turn_is_exact():
    given = images(1, height=8, width=8)
    turns = (float(2 * torch.rand(1, 3, generator=generator(seed))[0, 0] - 1) for seed in range(5000))
    seed, turn = next((seed, turn) for seed, turn in enumerate(turns) if abs(abs(turn) - 0.5) < 2e-4)
    turned = Affine(degrees=180, shift=0)(given, generator(seed))
    assert torch.equal(turned, torch.rot90(given, 1 if turn > 0 else -1, dims=(2, 3)))


def test_a_whole_window_changes_nothing():
    given = images()
    assert torch.equal(ResizedCrop(scale=(1, 1), ratio=(7 / 9, 7 / 9))(given, generator()), given)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_windows_are_enlarged_as_interpolate_does(dtype):
    given = images(30, height=12, width=10)
    given = given if dtype == torch.uint8 else given / 255
    crop = ResizedCrop()
    found = crop(given, generator(4))
    draws = generator(4)
    sizes = crop._sizes(30, 12, 10, draws)
    corners = (torch.rand(30, 2, generator=draws) * (torch.tensor([12, 10]) - sizes + 1)).floor()
    for image, (height, width), (top, left), ours in zip(given, sizes.long(), corners.long(), found, strict=True):
        window = image[None, :, top : top + height, left : left + width].float()
        expected = torch.nn.functional.interpolate(window, (12, 10), mode="bilinear", align_corners=False)[0]
        assert (ours.float() - expected).abs().max() <= (0.501 if dtype == torch.uint8 else 1e-6)


def test_areas_and_ratios_have_the_distribution_asked_for():
    sizes = ResizedCrop()._sizes(20000, 64, 64, generator())
    share, ratio = sizes.prod(1) / 64**2, sizes[:, 1] / sizes[:, 0]
    assert share.min() > 0.19 and share.max() <= 1.0
    assert ratio.min() > 0.73 and ratio.max() < 1.37
    # Below a share of 3/4 every ratio fits, so there shares are uniform.
    low = share[share < 0.7]
    assert low.mean().item() == pytest.approx(0.45, abs=0.01)
    assert ratio[share < 0.7].log().mean().item() == pytest.approx(0, abs=0.01)


def test_what_never_fits_is_the_whole_image():
    sizes = ResizedCrop(scale=(1, 1), ratio=(3, 3))._sizes(5, 8, 8, generator())
    assert torch.equal(sizes, torch.full((5, 2), 8.0, dtype=torch.float64))


def test_every_row_of_the_stretching_matrix_is_an_average():
    weights = _weights(torch.tensor([2.0, 0.0]), torch.tensor([3.0, 8.0], dtype=torch.float64), 8)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 8))
    assert torch.equal(weights[1], torch.eye(8))
    assert not weights[0, :, [0, 1, 5, 6, 7]].any()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"affine": {"degrees": -1}}, "greater than or equal to 0"),
        ({"affine": {"shift": 2}}, "less than or equal to 1"),
        (
            {"resized_crop": {"scale": [0.8, 0.2]}},
            r"scale is not a range; expected smallest, largest, got \(0.8, 0.2\)",
        ),
        ({"resized_crop": {"scale": [0, 1]}}, "greater than 0"),
        ({"resized_crop": {"ratio": [2, 1]}}, "ratio is not a range"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        AUGMENTATIONS.build(spec)
