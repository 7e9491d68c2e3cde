import colorsys

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import AUGMENTATIONS, ColorJitter, Grayscale
from prunescope.data.recolor import _brighten, _contrast, _saturate, turn_hue


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def colors(n=300):
    drawn = torch.rand(n, 3, 1, 1, generator=generator(3))
    drawn[:20] = drawn[:20, :1]  # greys
    drawn[20:40, 1] = drawn[20:40, 0]  # two channels alike
    return drawn


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.05, 0.3])
def test_the_hue_turns_as_in_the_standard_library(turn):
    given = colors()
    found = turn_hue(given, torch.tensor(turn))
    for before, after in zip(given.flatten(1).tolist(), found.flatten(1).tolist(), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((h + turn) % 1, s, v), abs=2e-6)


def test_brightness_contrast_and_saturation_are_mixtures():
    given = torch.rand(2, 3, 4, 5, generator=generator())
    luma = (given * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(_brighten(given, torch.tensor(0.3)), 1.3 * given)
    mean = luma.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(_contrast(given, torch.tensor(-0.4)), 0.6 * given + 0.4 * mean)
    torch.testing.assert_close(_saturate(given, torch.tensor(-0.4)), 0.6 * given + 0.4 * luma)
    torch.testing.assert_close(_saturate(given, torch.tensor(-1.0)), luma.expand(-1, 3, -1, -1))


@pytest.mark.parametrize("part", ["brightness", "contrast", "saturation", "hue"])
def test_each_part_alone_does_its_own_change(part):
    given = 0.3 + 0.4 * torch.rand(50, 3, 4, 4, generator=generator())
    off = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "probability": 1}
    changed = ColorJitter(**off | {part: 0.1})(given, generator())
    luma = [(x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1) for x in (given, changed)]
    value, largest = (x.amax(1) for x in (given, changed))
    kept = {
        "brightness": torch.allclose((changed / given).std((1, 2, 3)), torch.zeros(50), atol=1e-6),
        "contrast": torch.allclose(luma[0].mean((1, 2)), luma[1].mean((1, 2)), atol=1e-6),
        "saturation": torch.allclose(luma[0], luma[1], atol=1e-6),
        "hue": torch.allclose(value, largest, atol=1e-6),
    }
    assert kept[part] and not torch.allclose(changed, given, atol=1e-3)
    assert torch.allclose(ColorJitter(**off)(given, generator()), given, atol=1e-6)


def test_factors_are_uniform_and_drawn_for_each_image():
    given = torch.full((4000, 3, 1, 1), 0.5)
    options = {"contrast": 0, "saturation": 0, "hue": 0, "probability": 1}
    factors = ColorJitter(brightness=0.4, **options)(given, generator())[:, 0, 0, 0] / 0.5
    assert factors.min() == pytest.approx(0.6, abs=0.01) and factors.max() == pytest.approx(1.4, abs=0.01)
    assert factors.mean().item() == pytest.approx(1, abs=0.02)
    assert factors.std().item() == pytest.approx(0.8 / 12**0.5, rel=0.03)


@pytest.mark.parametrize(("member", "share"), [(ColorJitter(), 0.8), (Grayscale(), 0.2)])
def test_the_share_of_changed_images_is_the_probability(member, share):
    given = torch.randint(0, 256, (3000, 3, 2, 2), generator=generator(1), dtype=torch.uint8)
    changed = (member(given, generator()) != given).flatten(1).any(1).double().mean().item()
    assert changed == pytest.approx(share, abs=4 * (share * (1 - share) / 3000) ** 0.5)


def test_grey_images_have_three_channels_alike():
    given = torch.randint(0, 256, (40, 3, 4, 4), generator=generator(1), dtype=torch.uint8)
    grey = Grayscale(probability=1)(given, generator())
    expected = (given.double() * torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1)).sum(1)
    for channel in range(3):
        assert (grey[:, channel] - expected).abs().max() <= 0.5 + 1e-6
    assert torch.equal(Grayscale(probability=0)(given, generator()), given)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_images_than_rgb_keep_what_has_no_meaning_for_them(channels):
    given = torch.rand(30, channels, 3, 3, generator=generator())
    assert torch.equal(Grayscale(probability=1)(given, generator()), given)
    only = {"brightness": 0, "contrast": 0, "probability": 1}
    assert torch.allclose(ColorJitter(**only)(given, generator()), given, atol=1e-7)
    assert not torch.allclose(ColorJitter(probability=1)(given, generator()), given, atol=1e-2)


@pytest.mark.parametrize(
    "spec",
    [{"color_jitter": {"hue": 0.6}}, {"color_jitter": {"brightness": -1}}, {"grayscale": 1.5}, {"grayscale": {"p": 1}}],
)
def test_options_that_make_no_sense_are_refused(spec):
    with pytest.raises(PrunescopeError, match=next(iter(spec))):
        AUGMENTATIONS.build(spec)
