import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from prunescope.core import statistics
from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import Interval

RNG = np.random.default_rng(7)


def test_bootstrap_of_one_network_is_scipys_percentile_bootstrap():
    values = RNG.gamma(2.0, size=200)
    ours = statistics.bootstrap_interval(values, resamples=4000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_two_way_bootstrap_has_the_variance_of_resampling_both_axes():
    table = (RNG.random((6, 50)) < 0.8).astype(float)
    draws = statistics.bootstrap_means(table, resamples=20_000)
    rng = np.random.default_rng(1)
    direct = [table[np.ix_(rng.integers(6, size=6), rng.integers(50, size=50))].mean() for _ in range(20_000)]
    assert draws.mean() == pytest.approx(np.mean(direct), abs=2e-3)
    assert draws.std() == pytest.approx(np.std(direct), rel=0.03)


def test_bootstrap_does_not_depend_on_the_order_of_examples():
    table = (RNG.random((4, 40)) < 0.7).astype(float)
    shuffled = table[:, np.random.default_rng(3).permutation(40)]
    assert np.array_equal(statistics.bootstrap_means(table), statistics.bootstrap_means(shuffled))


def test_large_tables_are_drawn_in_chunks_with_the_right_mean():
    table = RNG.standard_normal((2, 9000))
    draws = statistics.bootstrap_means(table, resamples=900)
    assert draws.shape == (900,)
    assert abs(draws.mean() - table.mean()) < 5 * draws.std() / 30


def test_grouped_bootstrap_never_loses_a_group_and_shares_its_networks():
    table = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    draws = statistics.grouped_bootstrap_means(table, np.array([5, 9, 9]))
    assert draws.shape == (1000, 2)
    assert np.allclose(draws.sum(axis=1), 1.0)  # a network is right in one group and wrong in the other


@pytest.mark.parametrize("values", [[], [[]], [np.nan], [[1.0, np.inf]], np.zeros((2, 2, 2))])
def test_a_bootstrap_of_nothing_or_of_nan_is_refused(values):
    with pytest.raises(PrunescopeError, match="finite values"):
        statistics.bootstrap_interval(values)


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_a_level_outside_the_open_unit_interval_is_refused(level):
    with pytest.raises(PrunescopeError, match="confidence level"):
        statistics.percentile_interval([1.0, 2.0], level)


def test_share_interval_of_equal_values_is_clopper_pearson():
    exact = stats.binomtest(25, 25).proportion_ci(method="exact")
    assert statistics.share_interval(np.ones((5, 5))) == pytest.approx((exact.low, 1.0))
    assert statistics.share_interval(np.zeros(25)) == pytest.approx((0.0, 1 - exact.low))


def test_share_interval_of_mixed_values_is_the_bootstrap():
    table = [[1, 0, 1, 1], [1, 1, 1, 0]]
    assert statistics.share_interval(table) == statistics.bootstrap_interval(table)


@given(st.integers(0, 25), st.integers(0, 25))
def test_mcnemar_is_the_two_sided_binomial_test(lost, won):
    total = lost + won
    tail = sum(stats.binom.pmf(k, total, 0.5) for k in range(min(lost, won) + 1))
    assert statistics.mcnemar(lost, won) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(PrunescopeError, match="negative"):
        statistics.mcnemar(-1, 2)


def test_change_of_one_network_is_tested_by_mcnemar():
    before, after = [1] * 9 + [0] * 3, [0] * 7 + [1] * 3 + [0] * 2
    change = statistics.paired_change(before, after)
    assert change.value == pytest.approx(6 / 12)
    assert change.p == statistics.mcnemar(lost=7, won=1)


def test_change_of_several_networks_is_tested_by_the_bootstrap_that_gives_the_interval():
    before, after = RNG.random((5, 200)) < 0.9, RNG.random((5, 200)) < 0.8
    change = statistics.paired_change(before, after)
    assert change.interval.low > 0
    assert change.p < 0.05
    backwards = statistics.paired_change(after, before)
    assert (backwards.value, backwards.interval.high) == pytest.approx((-change.value, -change.interval.low), abs=0.02)


def test_pooling_dependent_networks_would_call_noise_significant_and_the_bootstrap_does_not():
    """Ten networks that share the fate of each example: pooled McNemar sees ten times the evidence."""
    rng, ours, pooled = np.random.default_rng(0), [], []
    for _ in range(60):
        difference = np.repeat(rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=80)[None], 10, axis=0)
        before, after = (difference > 0).astype(int), (difference < 0).astype(int)
        ours.append(statistics.paired_change(before, after).p < 0.05)
        pooled.append(statistics.mcnemar(int(before.sum()), int(after.sum())) < 0.05)
    assert np.mean(ours) <= 0.12
    assert np.mean(pooled) > 0.4


def test_no_change_leaves_open_what_was_not_seen_unless_the_two_sides_are_one():
    same = np.ones((3, 20))
    open_ = statistics.paired_change(same, same)
    assert (open_.value, open_.p) == (0.0, 1.0)
    assert open_.interval.high == -open_.interval.low == pytest.approx(1 - 0.025 ** (1 / 60))
    assert statistics.paired_change(same, same, exact=True).interval == Interval(0.0, 0.0)


def test_paired_outcomes_of_other_shape_are_refused():
    with pytest.raises(PrunescopeError, match="differ in shape"):
        statistics.paired_change([1, 0], [1, 0, 1])


def test_bootstrap_p_value_by_hand():
    assert statistics.bootstrap_p_value([1.0, 2.0, 3.0]) == 2 / 4
    assert statistics.bootstrap_p_value([-1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]) == 4 / 10
    assert statistics.bootstrap_p_value([0.0, 0.0]) == 1.0


def test_centred_interval_moves_the_draws_onto_the_value_and_stays_in_range():
    draws = np.linspace(0.4, 0.8, 101)
    assert statistics.centred_interval(draws, 0.5, low=0, high=1) == pytest.approx((0.31, 0.69))
    assert statistics.centred_interval(draws, 0.05, low=0, high=1) == pytest.approx((0.0, 0.24))


def test_simultaneous_interval_covers_the_maximum_of_equal_effects_where_the_percentile_one_does_not():
    """All eight effects are zero, so is their maximum; choosing the largest estimate must be paid for."""
    rng, ours, naive = np.random.default_rng(5), [], []
    for _ in range(150):
        estimates = rng.standard_normal(8)
        draws = estimates + rng.standard_normal((400, 8))
        ours.append(statistics.simultaneous_interval(draws, estimates))
        naive.append(statistics.percentile_interval(draws.max(axis=1)))
    assert np.mean([low <= 0 <= high for low, high in ours]) >= 0.93
    assert np.mean([low <= 0 <= high for low, high in naive]) < 0.6


def test_simultaneous_interval_of_one_item_mirrors_the_quantiles_of_its_draws():
    draws = RNG.exponential(size=(5000, 1)) + 1
    low, high = np.quantile(draws, [0.025, 0.975])
    assert statistics.simultaneous_interval(draws, [2.0]) == pytest.approx((4 - high, 4 - low))


@pytest.mark.parametrize(("count", "splits"), [(2, 1), (3, 3), (4, 3), (5, 10), (9, 126), (10, 126)])
def test_few_networks_are_split_in_halves_in_every_way(count, splits):
    first = statistics.halves(count)
    assert first.shape == (splits, count)
    assert (first.sum(axis=1) == count // 2).all()
    sides = {frozenset((tuple(row), tuple(~row))) for row in first}
    assert len(sides) == splits


def test_many_networks_are_split_at_random_from_the_seed():
    first = statistics.halves(30)
    assert first.shape == (126, 30)
    assert (first.sum(axis=1) == 15).all()
    assert np.array_equal(first, statistics.halves(30))
    assert not np.array_equal(first, statistics.halves(30, seed=1))


def test_one_network_has_no_halves():
    with pytest.raises(PrunescopeError, match="two networks"):
        statistics.halves(1)


def test_half_differences_by_brute_force():
    values = RNG.standard_normal((5, 2))
    expected = []
    for chosen in itertools.combinations(range(5), 2):
        rest = [i for i in range(5) if i not in chosen]
        expected.append(values[list(chosen)].mean(axis=0) - values[rest].mean(axis=0))
    found = statistics.half_differences(values)
    assert np.allclose(np.sort(found[:10, 0]), np.sort([e[0] for e in expected]))
    assert np.allclose(found[:10], -found[10:])
    assert np.allclose(found.mean(axis=0), 0)


def test_spread_interval_is_students_t():
    values = [1.0, 2.0, 4.0]
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert statistics.spread_interval(values) == pytest.approx((theirs.low, theirs.high))
    with pytest.raises(PrunescopeError, match="two seeds"):
        statistics.spread_interval([1.0])


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_benjamini_hochberg_is_the_step_up_rule(p_values):
    order = np.argsort(p_values)
    expected, smallest = np.ones(len(p_values)), 1.0
    for rank in range(len(p_values), 0, -1):
        index = order[rank - 1]
        smallest = min(smallest, p_values[index] * len(p_values) / rank)
        expected[index] = smallest
    assert np.allclose(statistics.benjamini_hochberg(p_values), expected)
