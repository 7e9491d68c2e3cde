import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from prunescope.core.errors import PrunescopeError
from prunescope.core.margins import margin_p_value, score_p_value


def likely_win(lost, won, n, margin):
    """Maximise the trinomial likelihood under lost − won = margin by search."""
    low, high = max(0.0, -margin), (1 - margin) / 2

    def cost(win):
        parts = ((lost, win + margin), (won, win), (n - lost - won, 1 - 2 * win - margin))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

    return optimize.minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x


@pytest.mark.parametrize("margin", [0.005, 0.05, 0.2, -0.02])
@pytest.mark.parametrize(("lost", "won", "n"), [(3, 1, 100), (12, 20, 300), (0, 5, 50), (40, 3, 90)])
def test_the_score_test_is_the_one_at_the_restricted_likelihoods_maximum(lost, won, n, margin):
    win = likely_win(lost, won, n, margin)
    z = (lost - won - n * margin) / math.sqrt(n * (2 * win + margin - margin**2))
    assert score_p_value(lost, won, n, margin) == pytest.approx(stats.norm.cdf(z), abs=1e-4)


@given(st.integers(0, 40), st.integers(0, 40))
def test_at_margin_zero_it_is_mcnemars_without_exactness(lost, won):
    z = (lost - won) / math.sqrt(lost + won) if lost + won else 0.0
    expected = stats.norm.cdf(z) if lost + won else 1.0
    assert score_p_value(lost, won, 100, 0.0) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.3, 0.3), st.floats(0.01, 0.2))
def test_a_wider_margin_is_easier_to_keep(margin, step):
    assert score_p_value(7, 4, 60, margin + step) <= score_p_value(7, 4, 60, margin) + 1e-12


def test_it_errs_as_often_as_it_says():
    """True fall at the margin: a level of 5 % is passed in about 5 % of the experiments."""
    rng, n, margin = np.random.default_rng(0), 2000, 0.02
    draws = rng.multinomial(n, [0.06, 0.04, 0.9], size=2000)
    found = [score_p_value(int(lost), int(won), n, margin) for lost, won, _ in draws]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_several_networks_are_told_by_the_bootstrap_and_agree_with_one():
    rng = np.random.default_rng(1)
    before = rng.random((3, 4000)) < 0.9
    after = before & (rng.random((3, 4000)) > 0.01)
    single = margin_p_value(before[0], after[0], 0.012)
    assert margin_p_value(before, after, 0.03) <= 2e-3
    assert margin_p_value(before, after, 0.002) > 0.99
    assert 0.02 < single < 0.98


def test_identical_sides_leave_nothing_open_only_when_they_are_one_network():
    right = np.ones(200)
    assert margin_p_value(right, right, 0.005, exact=True) == 0.0
    assert margin_p_value(right, right, 0.0, exact=True) == 1.0
    assert 0.1 < margin_p_value(right, right, 0.005) < 0.2


@pytest.mark.parametrize("arguments", [([1, 0], [1], 0.1), ([], [], 0.1), ([1], [1], 1.0), ([1], [1], float("nan"))])
def test_bad_input_is_refused(arguments):
    with pytest.raises(PrunescopeError):
        margin_p_value(*arguments)
