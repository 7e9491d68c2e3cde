"""Exact neighbours against brute force, scikit-learn's classifier, and by hand."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from prunescope.core.errors import PrunescopeError
from prunescope.measures.neighbours import Neighbours, knn_predictions, nearest_neighbours, tiled_search


def points(n, features, seed=0, spread=1.0):
    return spread * np.random.default_rng(seed).standard_normal((n, features))


def brute(queries, references, labels, k, own=None):
    """Sort all distances; most votes, then the smaller sum of distances, then the lowest class."""
    found = []
    for i, query in enumerate(queries):
        distances = np.sqrt(((references - query) ** 2).sum(axis=1))
        order = [j for j in np.argsort(distances, kind="stable") if own is None or j != own[i]][:k]
        tally = {
            c: (-sum(labels[j] == c for j in order), sum(distances[j] for j in order if labels[j] == c))
            for c in {labels[j] for j in order}
        }
        found.append(min(tally, key=lambda c: (*tally[c], c)))
    return found


@pytest.mark.parametrize("k", [1, 2, 5, 30])
@pytest.mark.parametrize("own", [False, True])
def test_votes_are_those_of_all_distances_sorted(k, own):
    references, labels = points(60, 3), np.random.default_rng(1).integers(4, size=60)
    queries, itself = (references, np.arange(60)) if own else (points(25, 3, seed=2), None)
    assert knn_predictions(queries, references, labels, k, own=itself).tolist() == brute(
        queries, references, labels, k, itself
    )


def test_votes_without_ties_are_those_of_scikit_learn():
    references, queries = points(300, 8), points(80, 8, seed=1)
    labels = (references[:, 0] > 0).astype(int)
    peer = KNeighborsClassifier(7, algorithm="brute").fit(references, labels).predict(queries)
    assert np.array_equal(knn_predictions(queries, references, labels, 7), peer)


def test_tiles_find_what_the_search_finds_also_far_from_zero():
    references, queries = points(200, 6), points(50, 6, seed=1)
    near = nearest_neighbours(queries, references, 9)
    for offset, tile in ((0.0, 2**30), (0.0, 200 * 8), (1e6, 3 * 200 * 8)):
        found = tiled_search(torch.tensor(queries + offset), torch.tensor(references + offset), 9, tile)
        assert np.array_equal(found.indices, near.indices)
        np.testing.assert_allclose(found.distances, near.distances, rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_votes_like_the_cpu():
    references, labels = points(2000, 64), np.random.default_rng(1).integers(10, size=2000)
    queries = points(300, 64, seed=2)
    there = knn_predictions(torch.tensor(queries).cuda(), torch.tensor(references).cuda(), labels)
    assert np.array_equal(there, knn_predictions(queries, references, labels))


def test_one_search_answers_every_smaller_k():
    references, labels, queries = points(40, 3), np.arange(40) % 3, points(9, 3, seed=5)
    whole = nearest_neighbours(queries, references, 20)
    for k in (1, 4, 20):
        assert np.array_equal(whole.first(k).vote(labels), knn_predictions(queries, references, labels, k))


def test_a_tie_goes_to_the_nearer_class_then_to_the_lowest():
    near = Neighbours(np.array([[0, 1, 2, 3]]), np.array([[1.0, 2.0, 2.0, 4.0]]))
    assert near.vote([5, 3, 3, 5]).tolist() == [3]
    assert near.vote([5, 3, 5, 3]).tolist() == [5]
    assert Neighbours(np.array([[0, 1]]), np.array([[1.0, 1.0]])).vote([4, 2]).tolist() == [2]


def test_relabelling_classes_relabels_the_votes():
    references, labels, queries = points(50, 2), np.random.default_rng(0).integers(5, size=50), points(40, 2, seed=3)
    place = np.array([3, 0, 4, 1, 2])
    votes = knn_predictions(queries, references, labels, 4)
    assert np.array_equal(knn_predictions(queries, references, place[labels], 4), place[votes])


def test_a_point_is_left_out_of_its_own_neighbours_also_among_copies():
    references = np.zeros((5, 2))
    near = nearest_neighbours(references, references, 3).without(np.arange(5))
    assert near.indices.shape == (5, 2)
    assert not (near.indices == np.arange(5)[:, None]).any()
    assert knn_predictions(
        np.array([[0.0], [1.0], [1.1]]), np.array([[0.0], [1.0], [1.1]]), [7, 8, 9], 1, own=[0, 1, 2]
    ).tolist() == [8, 9, 8]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([[0.0]], [[1.0], [2.0]], [0, 1], 3), "k does not fit the reference set"),
        (([[0.0]], [[1.0], [2.0]], [0, 1], 0), "k does not fit"),
        (([[0.0, 1.0]], [[1.0], [2.0]], [0, 1], 1), "differ in features"),
        (([[0.0]], [[1.0], [np.nan]], [0, 1], 1), "not finite"),
        (([0.0], [[1.0]], [0], 1), "queries: not points"),
        (([[0.0]], [[1.0], [2.0]], [0], 1), "labels do not fit"),
        (([[0.0]], [[1.0], [2.0]], [0.5, 1.0], 1), "labels do not fit"),
    ],
)
def test_bad_input_is_refused(arguments, told):
    with pytest.raises(PrunescopeError, match=told):
        knn_predictions(*arguments)


def test_leave_one_out_needs_one_reference_more():
    with pytest.raises(PrunescopeError, match="k does not fit"):
        knn_predictions([[0.0], [1.0]], [[0.0], [1.0]], [0, 1], 2, own=[0, 1])
