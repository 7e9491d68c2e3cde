import numpy as np
import pytest
import torch
from scipy import stats

from prunescope.data.shifts import SHIFTS, Draws, apply_shift, corrupt

SEVERITIES = range(1, 6)


def flat(value: float, channels: int = 3) -> torch.Tensor:
    return torch.full((40, channels, 32, 32), value)


def noise_of(name: str, severity: int, value: float) -> np.ndarray:
    """The change of a flat image far enough from black and white not to be clipped."""
    return (corrupt(flat(value), name, severity=severity) - value).double().numpy().ravel()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_noise_has_the_published_width(severity):
    noise = noise_of("gaussian_noise", severity, 0.5)
    sigma = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    assert abs(noise.std() / sigma - 1) < 0.01
    assert stats.kstest(noise / sigma, "norm").pvalue > 0.01


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("value", [0.2, 0.5])
def test_speckle_noise_grows_with_the_value(severity, value):
    sigma = (0.06, 0.1, 0.12, 0.16, 0.2)[severity - 1]
    noise = noise_of("speckle_noise", severity, value)
    assert abs(noise.std() / (sigma * value) - 1) < 0.01
    assert abs(noise.mean()) < 5 * sigma * value / np.sqrt(noise.size)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("value", [0.1, 0.5])
def test_shot_noise_has_the_variance_of_counting(severity, value):
    scale = (500, 250, 100, 75, 50)[severity - 1]
    shot = corrupt(flat(value), "shot_noise", severity=severity).double().numpy().ravel()
    assert abs(shot.mean() - value) < 5 * np.sqrt(value / scale / shot.size)
    assert abs(shot.var() / (value / scale) - 1) < 0.03
    assert np.allclose(shot * scale, np.round(shot * scale), atol=1e-4)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_hits_the_published_share_half_white_half_black(severity):
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    noisy = corrupt(flat(0.5), "impulse_noise", severity=severity).numpy()
    spread = 5 * np.sqrt(amount / noisy.size)
    assert set(np.unique(noisy)) == {0, 0.5, 1}
    assert abs((noisy == 1).mean() - amount / 2) < spread
    assert abs((noisy == 0).mean() - amount / 2) < spread
    together = ((noisy != 0.5).sum(1) == 3).mean()
    assert together < 3 * amount**3 + 1e-3


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_channels_pixels_and_images_are_hit_independently(name):
    noise = noise_of(name, 5, 0.5).reshape(40, 3, 32, 32)
    noise /= noise.std()
    limit = 5 / np.sqrt(noise.size / 3)
    for a, b in (
        (noise[:, 0], noise[:, 1]),
        (noise[1:], noise[:-1]),
        (noise[..., 1:], noise[..., :-1]),
        (noise[..., 1:, :], noise[..., :-1, :]),
    ):
        assert abs(np.mean(a * b)) < limit


def test_gaussian_noise_adds_its_draws(pictures):
    images = pictures() / 255
    noise = SHIFTS.build({"gaussian_noise": 2})
    draws = Draws.of_images(0, {}, first_index=0, count=len(images))
    expected = images.double().numpy() + 0.06 * draws.normal((3, 32, 32), "noise").double().numpy()
    assert np.allclose(noise(images, draws).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3, 1.0])
def test_unclipped_uniform_noise_fills_its_range(epsilon):
    shift = SHIFTS.build({"uniform_noise": epsilon, "clip": False})
    noise = (apply_shift(shift, flat(0.5), seed=0) - 0.5).double().numpy().ravel()
    assert np.abs(noise).max() <= epsilon + 1e-7
    assert abs(noise.std() - epsilon / np.sqrt(3)) < 0.005 * epsilon + 1e-9
    if epsilon:
        assert stats.kstest(noise, "uniform", args=(-epsilon, 2 * epsilon)).pvalue > 0.01


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3, 1.0])
def test_unclipped_gaussian_additive_noise_has_deviation_epsilon_and_mean_zero(epsilon):
    shift = SHIFTS.build({"gaussian_additive_noise": epsilon, "clip": False})
    noise = (apply_shift(shift, flat(0.5), seed=0) - 0.5).double().numpy().ravel()
    assert abs(noise.std() - epsilon) <= 0.01 * epsilon + 1e-9
    assert abs(noise.mean()) <= 5 * epsilon / np.sqrt(noise.size) + 1e-9


@pytest.mark.parametrize("name", ["uniform_noise", "gaussian_additive_noise"])
def test_clipping_is_that_of_the_unclipped_noise(name):
    free = apply_shift(SHIFTS.build({name: 0.8, "clip": False}), flat(0.9), seed=0)
    assert float(free.max()) > 1 and float(free.min()) < 0.5
    # The option is part of the specification, hence of the draws: compare one member with itself.
    clipped = apply_shift(SHIFTS.build({name: 0.8}), flat(0.9), seed=0)
    assert float(clipped.max()) == 1
    assert abs(float(clipped.mean()) - float(free.clamp(0, 1).mean())) < 0.01
