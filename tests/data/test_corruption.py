import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import AUGMENTATIONS, SHIFTS, Corrupt
from prunescope.data.corruption import MIXES


@pytest.fixture
def images():
    coarse = torch.rand(600, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return (torch.nn.functional.interpolate(coarse, size=16, mode="bilinear") * 255).to(torch.uint8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_two_mixes_share_nothing_and_are_the_nineteen_together():
    corruptions = {name for name in SHIFTS.names() if "severity" in SHIFTS.get(name).model_fields}
    assert not set(MIXES["mix1"]) & set(MIXES["mix2"])
    assert set(MIXES["mix1"]) | set(MIXES["mix2"]) == corruptions


def test_about_one_in_six_stays_clean_and_the_argument_as_it_is(images):
    before = images.clone()
    changed = Corrupt(mix=("contrast", "impulse_noise"))(images, generator())
    assert torch.equal(images, before)
    clean = (changed == images).flatten(1).all(1).float().mean()
    assert clean == pytest.approx(1 / 6, abs=0.05)


def test_a_severity_is_that_of_the_test_corruption(images):
    changed = Corrupt(mix=("brightness",), severities=(5,))(images, generator())
    rise = (changed.float() - images.float()).amax((1, 2, 3))
    assert rise.max() <= 0.3 * 255 + 2
    assert rise.median() > 0.2 * 255


def test_a_seed_gives_one_result_and_another_another(images):
    corrupt = AUGMENTATIONS.build({"corrupt": "mix1"})
    first = corrupt(images[:40], generator(1))
    assert torch.equal(first, corrupt(images[:40], generator(1)))
    assert not torch.equal(first, corrupt(images[:40], generator(2)))


def test_grey_images_can_be_corrupted_by_the_training_mix(images):
    assert Corrupt()(images[:60, :1], generator()).shape == (60, 1, 16, 16)


@pytest.mark.parametrize("options", [{"mix": ("fogg",)}, {"mix": "mix3"}, {"severities": (6,)}, {"severities": ()}])
def test_what_cannot_be_drawn_is_refused(options):
    with pytest.raises((PrunescopeError, ValueError)):
        Corrupt(**options)
