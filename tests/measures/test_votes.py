import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import stats

from prunescope.core.errors import PrunescopeError
from prunescope.measures import modal_labels
from prunescope.measures.votes import ballots, elected

VOTES = arrays(np.int64, st.tuples(st.integers(1, 7), st.integers(1, 9)), elements=st.integers(0, 3))


def by_hand(votes, probabilities=None):
    """One example at a time: most votes, then largest summed probability, then lowest class."""
    labels = []
    for example in range(votes.shape[1]):
        names = range(4)
        key = [
            (
                np.sum(votes[:, example] == name),
                0 if probabilities is None else round(probabilities[:, example, name].sum(), 9),
                -name,
            )
            for name in names
        ]
        labels.append(max(names, key=lambda name: key[name]))
    return labels


@given(VOTES)
def test_without_probabilities_the_vote_is_scipys_mode(votes):
    found = modal_labels(votes)
    mode = stats.mode(votes, axis=0)
    assert np.array_equal(found.label, mode.mode)
    assert np.allclose(found.share, mode.count / len(votes))
    assert found.tied.tolist() == [np.sum(np.bincount(v) == np.bincount(v).max()) > 1 for v in votes.T]


@settings(max_examples=60)
@given(VOTES, st.integers(0, 1000))
def test_ties_go_to_the_largest_summed_probability(votes, seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4), size=votes.shape)
    expected = by_hand(votes, probabilities)
    assert modal_labels(votes, probabilities).label.tolist() == expected
    assert modal_labels(votes, probabilities.sum(axis=0)).label.tolist() == expected
    assert np.array_equal(modal_labels(votes, probabilities).tied, modal_labels(votes).tied)


@settings(max_examples=60)
@given(VOTES, st.integers(0, 1000))
def test_counted_ballots_elect_the_modal_label_of_the_networks_repeated(votes, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), size=votes.shape)
    counts = rng.multinomial(len(votes), np.full(len(votes), 1 / len(votes)), size=3)
    found = elected(counts.astype(float), ballots(votes, probabilities))
    for row, count in zip(found, counts, strict=True):
        repeated = np.repeat(votes, count, axis=0)
        assert row.tolist() == modal_labels(repeated, np.repeat(probabilities, count, axis=0)).label.tolist()


def test_many_cells_are_counted_in_chunks(monkeypatch):
    votes = np.random.default_rng(0).integers(4, size=(5, 30))
    whole = elected(np.ones((1, 5)), ballots(votes))
    monkeypatch.setattr("prunescope.measures.votes.CELLS_AT_ONCE", 8)
    assert np.array_equal(elected(np.ones((1, 5)), ballots(votes)), whole)


def test_equal_probabilities_leave_a_tie_to_the_lowest_class():
    assert modal_labels([[2], [1]], np.full((1, 3), 2 / 3)).label.tolist() == [1]


def test_torch_tensors_and_large_labels_are_taken():
    assert modal_labels(torch.tensor([[10**9, 5], [10**9, 7]])).label.tolist() == [10**9, 5]


@pytest.mark.parametrize("votes", [[0, 1], [[]], [[0.5]], [[True]], np.zeros((2, 2, 2), dtype=int)])
def test_what_is_no_table_of_whole_numbers_is_refused(votes):
    with pytest.raises(PrunescopeError, match="not predictions"):
        modal_labels(votes)


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        (np.full((3, 3), 0.3), "do not fit"),
        (np.full((2, 2), 0.5), "do not fit"),
        (np.full((3, 2, 3), 0.3), "do not fit"),
        (np.full((2, 3), -0.1), "not probabilities"),
        (np.full((2, 3), 2.5), "not probabilities"),
        (np.full((2, 3), np.nan), "not probabilities"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(probabilities, told):
    with pytest.raises(PrunescopeError, match=told):
        modal_labels([[0, 2], [1, 2]], probabilities)


def test_a_negative_class_has_no_probability():
    with pytest.raises(PrunescopeError, match="do not fit"):
        modal_labels([[-1], [0]], np.full((1, 3), 0.6))
