import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import AUGMENTATIONS, Crop, Flip

SHAPES = [(40, 1, 8, 8), (33, 3, 7, 5), (1, 2, 1, 1)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(shape, dtype=torch.uint8):
    drawn = torch.randint(1, 256, shape, generator=generator(9), dtype=torch.uint8)
    return drawn if dtype == torch.uint8 else drawn.to(dtype) / 255


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_augmentation_keeps_type_shape_and_argument_and_follows_its_seed(name, shape, dtype):
    augment, given = AUGMENTATIONS.build(name), images(shape, dtype)
    if name == "corrupt" and min(shape[2:]) < 4:
        pytest.skip("corruptions are for pictures of at least 4 × 4 pixels")
    before = given.clone()
    result = augment(given, generator(1))
    assert result.dtype == dtype and result.shape == shape and result.is_contiguous()
    assert torch.equal(given, before)
    assert torch.equal(result, augment(given, generator(1)))
    if shape[0] > 1 and (shape[1] == 3 or name != "grayscale"):
        assert not torch.equal(result, augment(given, generator(2)))


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_the_same_seed_changes_uint8_and_float_alike_to_half_a_grey_level(name):
    augment, given = AUGMENTATIONS.build(name), images((20, 3, 6, 6))
    difference = augment(given, generator()).float() - 255 * augment(given / 255, generator())
    assert difference.abs().max() <= 0.5001


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_the_ambient_random_state_plays_no_part(name):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    AUGMENTATIONS.build(name)(images(SHAPES[0]), generator())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", [1, 4, 11])
def test_a_crop_is_a_window_of_the_padded_image(shape, padding):
    given = images(shape)
    _, _, height, width = shape
    offsets = torch.randint(2 * padding + 1, (shape[0], 2), generator=generator(3)).tolist()
    padded = torch.nn.functional.pad(given, (padding,) * 4)
    expected = [p[:, y : y + height, x : x + width] for p, (y, x) in zip(padded, offsets, strict=True)]
    assert torch.equal(Crop(padding=padding)(given, generator(3)), torch.stack(expected))


def test_a_crop_reaches_every_offset_equally_often():
    dot = torch.zeros(9000, 1, 5, 5, dtype=torch.uint8)
    dot[:, 0, 2, 2] = 1
    counts = Crop(padding=1)(dot, generator()).sum(dim=0)[0, 1:4, 1:4].flatten().double()
    assert counts.sum() == 9000
    assert ((counts - 1000) ** 2 / 1000).sum() < 26.1  # chi-square, 8 degrees of freedom, p = 0.001


@pytest.mark.parametrize(("axis", "dim"), [("horizontal", 3), ("vertical", 2)])
def test_a_flip_mirrors_half_of_the_images(axis, dim):
    given = images((2000, 1, 3, 4))
    result = Flip(axis=axis)(given, generator())
    same = (result == given).flatten(1).all(dim=1)
    mirrored = (result == given.flip(dim)).flatten(1).all(dim=1)
    assert (same | mirrored).all()
    assert abs(mirrored.sum().item() - 1000) < 4 * 500**0.5


def test_images_of_a_batch_are_changed_independently():
    given = images((1, 1, 4, 4)).expand(4000, 1, 4, 4)
    flipped = (Flip()(given, generator()) != given).flatten(1).any(dim=1).double()
    assert torch.corrcoef(torch.stack([flipped[:-1], flipped[1:]]))[0, 1].abs() < 0.06


@pytest.mark.parametrize("spec", [{"crop": 0}, {"crop": {"padding": -1}}, {"flip": "diagonal"}, {"flip": {"p": 0.1}}])
def test_options_that_make_no_augmentation_are_refused(spec):
    with pytest.raises(PrunescopeError, match=next(iter(spec))):
        AUGMENTATIONS.build(spec)
