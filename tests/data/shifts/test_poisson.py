import numpy as np
import pytest
import torch
from scipy import stats

from prunescope.data.shifts import Draws
from prunescope.data.shifts.poisson import _alias, poisson


def counts(rate: float, scale: float, n: int = 40_000) -> np.ndarray:
    rates = torch.full((40, 1, 10, n // 400), rate)
    draws = Draws.of_images(1, {"p": {}}, first_index=0, count=40)
    return poisson(rates, scale, draws).numpy().ravel().astype(int)


# The first four lie on the grid of 8-bit levels, the others between.
@pytest.mark.parametrize("rate", [1 / 255, 20 / 255, 128 / 255, 1.0, 0.5, 0.0009, 0.33333])
@pytest.mark.parametrize("scale", [500, 250, 100, 75, 50])
def test_counts_follow_the_law(rate, scale):
    drawn = counts(rate, scale)
    law = stats.poisson(rate * scale)
    edges = np.unique(law.ppf([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]).astype(int))
    expected = np.diff(np.concatenate([[0], law.cdf(edges), [1]])) * len(drawn)
    observed = np.bincount(np.searchsorted(edges, drawn), minlength=len(expected))
    kept = expected > 5
    statistic = np.sum((observed - expected)[kept] ** 2 / expected[kept])
    assert stats.chi2(max(kept.sum() - 1, 1)).sf(statistic) > 1e-3
    assert abs(drawn.mean() - rate * scale) < 5 * np.sqrt(rate * scale / len(drawn))


def test_darkness_has_no_photons():
    assert counts(0.0, 100).max() == 0


def test_alias_slots_hold_exactly_the_given_masses():
    mass = [5, 0, 1, 10]
    keep, alias = _alias(list(mass), 4)
    held = list(keep)
    for slot, other in enumerate(alias):
        held[other] += 4 - keep[slot]
    assert held == mass


def test_a_level_does_not_depend_on_what_else_is_in_the_batch():
    levels = torch.full((1, 1, 8, 8), 100 / 255)
    between = torch.full((1, 1, 8, 8), 0.777)
    alone = poisson(levels, 100, Draws.of_images(0, {}, first_index=0, count=1))
    together = poisson(torch.cat([levels, between]), 100, Draws.of_images(0, {}, first_index=0, count=2))
    assert torch.equal(alone[0], together[0])
