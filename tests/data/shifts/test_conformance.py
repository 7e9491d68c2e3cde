"""What every shift promises, checked over the whole registry."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from prunescope.data.shifts import SHIFTS, Shift, apply_shift

CORRUPTIONS = [
    "brightness", "contrast", "defocus_blur", "elastic", "fog", "frost", "gaussian_blur", "gaussian_noise",
    "glass_blur", "impulse_noise", "jpeg", "motion_blur", "pixelate", "saturate", "shot_noise", "snow", "spatter",
    "speckle_noise", "zoom_blur",
]  # fmt: skip
FIXED = {"brightness", "contrast", "defocus_blur", "gaussian_blur", "jpeg", "pixelate", "saturate", "zoom_blur"}
SIZES = [(8, 8), (28, 28), (32, 32), (17, 23), (4, 4)]


def members() -> list[Shift]:
    """Every registered shift, at each of its severities."""
    return [
        SHIFTS.build({name: severity} if severity else name)
        for name in SHIFTS.names()
        for severity in (range(1, 6) if "severity" in SHIFTS.get(name).model_fields else (0,))
    ]


every_shift = pytest.mark.parametrize("shift", members(), ids=repr)
every_name = pytest.mark.parametrize("name", SHIFTS.names())


def test_the_nineteen_corruptions_are_there():
    assert sorted(set(CORRUPTIONS) & set(SHIFTS.names())) == CORRUPTIONS
    assert len(CORRUPTIONS) == 19
    assert {n for n in SHIFTS.names() if "severity" in SHIFTS.get(n).model_fields} == set(CORRUPTIONS)


@every_shift
def test_any_size_and_channel_count_gives_finite_images_of_the_same_form(shift, pictures):
    for size in SIZES:
        for channels in shift.channels:
            whole = pictures(2, channels, *size)
            assert apply_shift(shift, whole, seed=0).shape == whole.shape
            result = apply_shift(shift, whole.float() / 255, seed=0)
            assert bool(torch.isfinite(result).all())
            assert float(result.min()) >= 0 and float(result.max()) <= 1


@every_shift
def test_extreme_images_stay_finite(shift):
    for channels in shift.channels:
        extremes = torch.stack([torch.zeros(channels, 9, 12), torch.ones(channels, 9, 12)])
        assert bool(torch.isfinite(apply_shift(shift, extremes, seed=0)).all())


@every_shift
def test_same_bytes_for_any_split_into_batches_and_any_number_of_threads(shift, pictures):
    images = pictures(23, shift.channels[-1], 17, 23)
    whole = apply_shift(shift, images, seed=9, first_index=100)
    cuts = (0, 1, 2, 5, 12, 23)
    pieces = [apply_shift(shift, images[a:b], seed=9, first_index=100 + a) for a, b in pairwise(cuts)]
    assert torch.equal(torch.cat(pieces), whole)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        assert torch.equal(apply_shift(shift, images, seed=9, first_index=100), whole)
    finally:
        torch.set_num_threads(threads)


@every_name
def test_same_bytes_when_the_data_fill_several_chunks(name, pictures):
    shift = SHIFTS.build(name)
    count = shift.chunk // (3 * 32 * 32) + 3
    images = pictures(8).repeat(count // 8 + 1, 1, 1, 1)[:count]
    whole = apply_shift(shift, images, seed=1)
    tail = apply_shift(shift, images[-5:], seed=1, first_index=count - 5)
    assert torch.equal(whole[-5:], tail)


@every_name
def test_chance_differs_between_images_and_seeds_and_returns_with_the_seed(name, pictures):
    shift = SHIFTS.build(name)
    twins = pictures(1, shift.channels[-1]).repeat(2, 1, 1, 1)
    first, second = apply_shift(shift, twins, seed=0)
    other = apply_shift(shift, twins, seed=1)[0]
    assert torch.equal(apply_shift(shift, twins, seed=0)[0], first)
    assert torch.equal(first, second) == torch.equal(first, other) == (name in FIXED)


@every_shift
def test_every_severity_changes_the_picture(shift, pictures):
    images = pictures(2, 3)
    assert not torch.equal(apply_shift(shift, images, seed=0), images)


@every_name
def test_uint8_results_are_the_float_results_to_half_a_level(name, pictures):
    shift = SHIFTS.build(name)
    images = pictures(6, shift.channels[-1])
    levels = apply_shift(shift, images, seed=0).float()
    exact = apply_shift(shift, images.float() / 255, seed=0) * 255
    # A last bit of the input may move a drop's outline or a truncated level, rarely.
    assert float(((levels - exact).abs() > 0.501).float().mean()) < 2e-3


def test_draws_depend_on_the_severity(pictures):
    images = pictures(1).float() / 255
    low, high = (apply_shift(SHIFTS.build({"gaussian_noise": s}), images, seed=0) - images for s in (1, 5))
    assert abs(np.corrcoef(low.flatten(), high.flatten())[0, 1]) < 0.2


def distances(name: str, images: torch.Tensor) -> list[float]:
    """Root-mean-square distance to the clean images at severities 1 to 5."""
    clean = images.float() / 255
    return [
        float((apply_shift(SHIFTS.build({name: s}), clean, seed=0) - clean).square().mean().sqrt()) for s in range(1, 6)
    ]


INCREASING = {
    name: [(1, 2, 3, 4, 5)]
    for name in (
        "brightness", "contrast", "defocus_blur", "fog", "gaussian_blur", "gaussian_noise", "impulse_noise", "jpeg",
        "pixelate", "shot_noise", "snow", "speckle_noise", "zoom_blur",
    )
} | {
    # More iterations at the same σ change more; a wider second blur smooths the shuffle away again.
    "glass_blur": [(2, 4), (3, 5)],
    # Severities 3 and 4 have the same σ and differ in a kernel length that no longer matters.
    "motion_blur": [(1, 2, 3, 5)],
    # The affine part shrinks with severity while the displacements become finer: nearer to the clean image.
    "elastic": [(5, 4, 3, 2, 1)],
    # From 3 on the image is dimmed as the frost is strengthened, which cancels in the distance.
    "frost": [(1, 2, 3)],
    # Water is 1 to 3, mud 4 and 5.
    "spatter": [(1, 2, 3), (4, 5)],
    # Colour is taken away at 1 and 2, added at 3 to 5.
    "saturate": [(1, 2), (3, 4, 5)],
}  # fmt: skip


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_distance_to_the_clean_picture_grows_as_the_published_parameters_say(name, pictures):
    distance = distances(name, pictures(120))
    for chain in INCREASING[name]:
        steps = [distance[severity - 1] for severity in chain]
        assert all(a < b for a, b in pairwise(steps)), (chain, steps)


def test_motion_blur_at_severity_four_is_that_of_three_in_law(pictures):
    distance = distances("motion_blur", pictures(120))
    assert abs(distance[3] / distance[2] - 1) < 0.05
