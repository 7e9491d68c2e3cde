import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data.shifts import SHIFTS, apply_shift, corrupt
from prunescope.data.shifts.frost_texture import frost_plates

NOISE = SHIFTS.build({"gaussian_noise": 1})


def images(dtype=torch.uint8, shape=(3, 3, 8, 8)):
    levels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return levels if dtype == torch.uint8 else (levels.to(torch.float64) / 255).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
def test_images_come_back_in_the_type_they_came_in(dtype):
    given = images(dtype)
    got = corrupt(given, "gaussian_blur")
    assert isinstance(got, torch.Tensor) and got.dtype == dtype and got.shape == given.shape
    array = corrupt(given.numpy(), "gaussian_blur")
    assert isinstance(array, np.ndarray) and np.array_equal(array, got.numpy())


def test_uint8_is_rounded_to_the_nearest_level():
    flat = torch.full((1, 1, 8, 8), 101, dtype=torch.uint8)
    for severity, level in zip(range(1, 6), (114, 127, 139, 152, 178), strict=True):
        # 101 + 255 · (.05, .10, .15, .20, .30) = 113.75, 126.5 (and a float's rounding), 139.25, 152, 177.5 (likewise)
        assert abs(int(corrupt(flat, "brightness", severity=severity)[0, 0, 0, 0]) - level) <= (severity in (2, 5))
    picture = images()
    exact = apply_shift(SHIFTS.build("gaussian_blur"), picture.double() / 255, seed=0) * 255
    assert float((corrupt(picture, "gaussian_blur").double() - exact).abs().max()) < 0.5 + 1e-4


def test_the_input_is_left_alone_whatever_its_memory():
    given = images(torch.float32)
    copy = given.clone()
    for name in SHIFTS.names():
        apply_shift(SHIFTS.build(name), given, seed=0)
        assert torch.equal(given, copy), name
    frozen = images().numpy()
    frozen.setflags(write=False)
    strided = images().permute(0, 1, 3, 2)
    expected = corrupt(strided.contiguous(), "jpeg")
    assert torch.equal(corrupt(strided, "jpeg"), expected)
    assert corrupt(frozen[::-1], "jpeg").shape == frozen.shape


def test_corrupt_is_apply_shift_from_index_zero():
    assert torch.equal(corrupt(images(), "gaussian_noise", severity=1, seed=4), apply_shift(NOISE, images(), seed=4))


def test_numpy_integers_and_hyphens_are_taken():
    plain = corrupt(images(), "gaussian_noise", severity=2, seed=1)
    assert torch.equal(corrupt(images(), "gaussian-noise", severity=np.int64(2), seed=np.uint8(1)), plain)


def test_no_images_give_no_images():
    assert corrupt(images()[:0], "fog").shape == (0, 3, 8, 8)
    assert corrupt(images(torch.float32)[:0], "fog").shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1, 2]], "wrong type.*got list"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), "wrong type.*got int64"),
        (np.zeros((1, 3, 8, 8), dtype=bool), "wrong type.*got bool"),
        (np.zeros((1, 3, 8, 8), dtype=np.longdouble), "wrong type.*got float"),
        (torch.zeros(3, 8, 8), "wrong shape"),
        (torch.zeros(1, 3, 3, 8), "wrong shape.*at least 4"),
        (torch.zeros(1, 8, 8, 3), "wrong shape"),
        (torch.zeros(1, 4, 8, 8), "expected 1 or 3 channels.*Channels come second"),
        (torch.full((1, 3, 8, 8), 1.001), "values out of range.*from 1.001"),
        (torch.full((1, 3, 8, 8), -0.5), "values out of range.*Divide 8-bit values"),
        (torch.full((1, 3, 8, 8), float("nan")), "values out of range.*NaN"),
        (np.full((1, 3, 8, 8), np.inf), "values out of range"),
    ],
)
def test_other_images_are_refused(given, message):
    with pytest.raises(PrunescopeError, match=f"(?s)corrupt|shift fog.*{message}"):
        corrupt(given, "fog")
    with pytest.raises(PrunescopeError, match=message):
        apply_shift(SHIFTS.build("fog"), given, seed=0)


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(PrunescopeError, match="did you mean 'gaussian_noise'"):
        corrupt(images(), "gausian_noise")


def test_a_shift_without_severities_is_no_corruption():
    with pytest.raises(PrunescopeError, match=r"corruption with severities 'uniform_noise'.*gaussian_noise"):
        corrupt(images(), "uniform_noise")


@pytest.mark.parametrize("severity", [0, 6, -1])
def test_severities_outside_one_to_five_are_refused(severity):
    with pytest.raises(PrunescopeError, match=f"severity out of range; expected 1 … 5, got {severity}"):
        corrupt(images(), "fog", severity=severity)
    with pytest.raises(PrunescopeError):
        SHIFTS.build({"fog": severity})


@pytest.mark.parametrize("severity", [1.5, "3", True, None])
def test_severities_are_integers(severity):
    with pytest.raises(PrunescopeError, match="severity is not an integer"):
        corrupt(images(), "fog", severity=severity)


@pytest.mark.parametrize(("seed", "first"), [(0.5, 0), (True, 0), (0, 1.0), (0, -1), (0, 2**62)])
def test_seed_and_index_are_integers(seed, first):
    with pytest.raises(PrunescopeError, match=r"is not an integer|first_index out of range"):
        apply_shift(NOISE, images(), seed=seed, first_index=first)


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_epsilon_outside_the_pixel_range_is_refused(epsilon):
    with pytest.raises(PrunescopeError, match="epsilon"):
        SHIFTS.build({"uniform_noise": epsilon})


def test_unclipped_noise_makes_float_of_uint8():
    free = SHIFTS.build({"uniform_noise": 0.5, "clip": False})
    noisy = apply_shift(free, images(), seed=0)
    assert noisy.dtype == torch.float32 and float(noisy.min()) < 0 and float(noisy.max()) > 1
    assert torch.allclose(noisy, apply_shift(free, images(torch.float32), seed=0), atol=1e-6)
    assert apply_shift(free, images().numpy(), seed=0).dtype == np.float32


def test_tables_made_in_inference_mode_serve_outside_it():
    shift = SHIFTS.build({"frost": 2})
    frost_plates.cache_clear()
    with torch.inference_mode():
        inside = apply_shift(shift, images(), seed=0)
    assert torch.equal(apply_shift(shift, images(), seed=0), inside)


def test_a_device_without_exact_arithmetic_is_served_by_the_processor(monkeypatch):
    expected = apply_shift(NOISE, images(), seed=0)
    monkeypatch.setattr("prunescope.data.shifts.apply._DEVICES", frozenset())
    got = apply_shift(NOISE, images(), seed=0)
    assert torch.equal(got, expected) and got.device == expected.device


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", SHIFTS.names())
def test_a_gpu_gives_the_same_bytes(name):
    shift, given = SHIFTS.build(name), images(shape=(20, 3, 32, 32))
    assert torch.equal(apply_shift(shift, given.cuda(), seed=0).cpu(), apply_shift(shift, given, seed=0))


def test_bfloat16_images_are_taken():
    assert corrupt(images(torch.bfloat16), "fog").dtype == torch.bfloat16


def test_gradients_are_not_followed():
    weights = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    assert not corrupt(weights, "gaussian_noise").requires_grad
