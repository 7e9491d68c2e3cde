import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from prunescope.core.statistics import bootstrap_means, mcnemar
from prunescope.measures import Accuracy, Agreement, separate_agreement, separate_losses

VOTES = arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.integers(0, 3))


def counts(measurement, seed=None):
    return {v.quantity: v.value for v in measurement.values if v.seed == seed}


def test_a_hand_sized_case(synthetic):
    """Six examples: kept right, lost, won, wrong to another wrong, wrong as before, kept right."""
    shown = synthetic.from_predictions([[0, 0, 1, 1, 2, 0]], [[0, 2, 0, 2, 2, 0]], [0, 0, 0, 0, 0, 0], 3)
    found = Agreement()(shown)
    assert counts(found) == pytest.approx({"agreement": 3 / 6, "flips": 3, "lost": 1, "won": 1})
    assert found["flips"].p == 1.0
    assert found["agreement"].floor is None


def test_counts_of_one_network_are_whole_numbers_and_its_p_value_is_mcnemars(synthetic):
    shown = synthetic.populations(networks=1, examples=97)
    before, after = shown.predictions[0][0], shown.predictions[1][0]
    lost = int(((before == shown.labels) & (after != shown.labels)).sum())
    won = int(((before != shown.labels) & (after == shown.labels)).sum())
    found = Agreement()(shown)
    assert (found["lost"].value, found["won"].value) == (lost, won)
    assert found["flips"].value == int((before != after).sum())
    assert found["flips"].p == mcnemar(lost, won)
    assert counts(found, seed=0) == counts(found)


def test_populations_are_averaged_over_their_networks(synthetic):
    found = Agreement()(synthetic.populations(networks=3))
    for quantity in ("agreement", "flips", "lost", "won"):
        mean = np.mean([counts(found, seed)[quantity] for seed in range(3)])
        assert found[quantity].value == pytest.approx(mean)


def test_lost_minus_won_is_the_drop(synthetic):
    shown = synthetic.populations(networks=3)
    found, drop = Agreement()(shown), Accuracy()(shown)["drop"]
    assert found["lost"].value - found["won"].value == pytest.approx(drop.value / 100 * drop.n)
    assert found["flips"].p == drop.p


def test_the_dense_networks_agree_with_themselves_exactly_and_keep_their_floor(synthetic):
    found = Agreement()(synthetic.populations(same=True))
    assert (found["agreement"].low, found["agreement"].high, found["flips"].high) == (1.0, 1.0, 0.0)
    assert 0 < found["agreement"].floor_low <= found["agreement"].floor <= found["agreement"].floor_high < 1
    assert found["flips"].floor == pytest.approx(found["flips"].n * (1 - found["agreement"].floor))


def test_full_agreement_of_different_networks_stays_uncertain(synthetic):
    dense, _, labels = synthetic.logits(networks=2, examples=50)
    found = Agreement()(synthetic.from_logits(dense, 2 * dense, labels))
    assert found["agreement"].value == 1.0
    assert found["agreement"].low == pytest.approx(0.025 ** (1 / 100))
    assert found["flips"].high == pytest.approx(50 * (1 - 0.025 ** (1 / 100)))


@settings(max_examples=60, deadline=None)
@given(VOTES)
def test_the_floor_is_the_mean_over_all_distinct_pairs(votes):
    pairs = [np.mean(votes[i] == votes[j]) for i, j in itertools.combinations(range(len(votes)), 2)]
    assert separate_agreement(votes).mean() == pytest.approx(np.mean(pairs))
    right = (votes == 0).astype(float)
    ordered = itertools.permutations(range(len(votes)), 2)
    assert separate_losses(right).mean() == pytest.approx(np.mean([right[i] * (1 - right[j]) for i, j in ordered]))


def test_the_spread_of_the_floor_is_that_of_a_statistic_of_pairs():
    """Networks of very different quality: the bootstrap of pseudo-values has the sampling spread of the pair mean."""
    rng, means, spreads = np.random.default_rng(0), [], []
    for _ in range(150):
        quality = rng.uniform(0.3, 1.0, size=12)
        votes = np.where(rng.random((12, 300)) < quality[:, None], 0, rng.integers(1, 9, size=(12, 300)))
        table = separate_agreement(votes)
        means.append(table.mean())
        spreads.append(bootstrap_means(table, resamples=200).std())
    assert np.mean(spreads) == pytest.approx(np.std(means), rel=0.25)


def test_one_network_tells_which_examples_it_flips_and_how_sure_it_was(synthetic):
    shown = synthetic.from_predictions([[0, 1, 2, 1]], [[0, 2, 2, 0]], [0, 1, 2, 2], 3)
    arrays = Agreement()(shown).arrays
    assert arrays["flips"].tolist() == [False, True, False, True]
    assert arrays["dense_vote"].tolist() == [0, 1, 2, 1] and arrays["pruned_vote"].tolist() == [0, 2, 2, 0]
    assert arrays["dense_share"] == pytest.approx(np.exp(5) / (np.exp(5) + 2))
    assert Agreement()(synthetic.populations(networks=2)).arrays == {}
