import numpy as np
import pytest
import torch
from scipy import stats

from prunescope.core.config import fingerprint
from prunescope.data.shifts import Draws

WRAP = 2**64


def mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WRAP
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WRAP
    return z ^ (z >> 31)


def words(seed: int, spec: dict[str, object], index: int, purpose: str, count: int) -> list[int]:
    """SplitMix64 in Python's own integers."""
    step = 0x9E3779B97F4A7C15
    root = int(fingerprint([seed, spec])[:16], 16)
    key = mix((root + (index + 1) * step) % WRAP)
    key = mix(key ^ int(fingerprint(purpose)[:16], 16))
    return [mix((key + j * step) % WRAP) for j in range(1, count + 1)]


def draws(n: int = 4, *, seed: int = 3, first: int = 10) -> Draws:
    return Draws.of_images(seed, {"x": {"a": 1}}, first_index=first, count=n)


def test_the_first_outputs_of_splitmix64_are_the_published_ones():
    step = 0x9E3779B97F4A7C15
    assert [mix(j * step % WRAP) for j in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_words_are_those_of_exact_integers():
    got = draws().words(5, "noise")
    expected = [words(3, {"x": {"a": 1}}, 10 + i, "noise", 5) for i in range(4)]
    assert [[int(w) % WRAP for w in row] for row in got] == expected


def test_bits_and_choices_cut_the_words_from_the_low_end():
    word = words(3, {"x": {"a": 1}}, 10, "noise", 2)
    halves = [w >> shift & 0xFFFFFFFF for w in word for shift in (0, 32)]
    assert [int(b) % 2**32 for b in draws(1).bits((3,), "noise")[0]] == halves[:3]
    quarters = [w >> shift & 0xFFFF for w in word for shift in (0, 16, 32, 48)]
    table = torch.arange(2**16, dtype=torch.float32)
    assert draws(1).choices(table, (5,), "noise")[0].tolist() == quarters[:5]


@pytest.mark.parametrize("method", ["bits", "uniform", "normal"])
def test_an_image_has_its_draws_in_any_batch(method):
    whole = getattr(draws(6), method)((3, 5), "noise")
    part = getattr(draws(2, first=13), method)((3, 5), "noise")
    assert torch.equal(whole[3:5], part)


def test_seeds_specifications_images_and_purposes_have_draws_of_their_own():
    base = draws().bits((50,), "noise")
    others = [
        draws(seed=4).bits((50,), "noise"),
        draws(first=20).bits((50,), "noise"),
        draws().bits((50,), "angle"),
        Draws.of_images(3, {"x": {"a": 2}}, first_index=10, count=4).bits((50,), "noise"),
    ]
    everything = torch.cat([base, *others]).flatten()
    assert len(everything.unique()) == len(everything)


def test_uniform_is_uniform():
    u = draws(200).uniform((500,), "u").double().numpy().ravel()
    assert 0 <= u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert np.array_equal(u * 2**24, np.round(u * 2**24))


def test_normal_is_normal():
    z = draws(200).normal((5000,), "z").double().numpy().ravel()
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert abs(z.mean()) < 4e-3 and abs(z.var() - 1) < 6e-3
    assert abs(stats.kurtosis(z)) < 0.02 and abs(stats.skew(z)) < 0.01
    assert 4.2 < np.abs(z).max() < 4.33


def test_neighbours_are_uncorrelated():
    z = draws(300).normal((300,), "z").double().numpy()
    limit = 5 / np.sqrt(z.size)
    for a, b in ((z[:, 1:], z[:, :-1]), (z[1:], z[:-1]), (z, draws(300).normal((300,), "other").double().numpy())):
        assert abs(np.mean(a * b)) < limit


def test_integers_are_even_over_their_range():
    counts = torch.bincount(draws(100).integers(7, (700,), "i").flatten(), minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


def test_a_scalar_an_image():
    assert draws().uniform((), "angle").shape == (4,)
