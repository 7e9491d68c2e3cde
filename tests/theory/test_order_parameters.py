"""Order parameters against loops, and their averages over masks against drawn masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.theory import (
    magnitude_edges,
    mean_order_parameters,
    normalize_rows,
    order_parameters,
    random_edge_order_parameters,
    random_node_order_parameters,
)


def weights(k: int = 4, m: int = 2, n: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, n)), rng.normal(size=(m, n))


def test_overlaps_are_sums_over_inputs():
    w, w_star = weights()
    told = order_parameters(w, w_star)
    for i in range(4):
        for k in range(4):
            assert told.q[i, k] == pytest.approx(sum(w[i, j] * w[k, j] for j in range(12)) / 12)
        for n in range(2):
            assert told.r[i, n] == pytest.approx(sum(w[i, j] * w_star[n, j] for j in range(12)) / 12)
    assert told.t[0, 1] == pytest.approx(w_star[0] @ w_star[1] / 12)


def test_overlaps_are_covariances_of_preactivations():
    w, w_star = weights()
    inputs = np.random.default_rng(1).normal(size=(200_000, 12))
    measured = np.cov(np.hstack([inputs @ w.T, inputs @ w_star.T]).T / np.sqrt(12))
    told = order_parameters(w, w_star)
    np.testing.assert_allclose(measured, np.block([[told.q, told.r], [told.r.T, told.t]]), atol=0.04)


def test_leading_axes_are_networks():
    w, w_star = weights()
    many = order_parameters(np.stack([w, 2 * w]), w_star)
    np.testing.assert_allclose(many.q[1], 4 * order_parameters(w, w_star).q)
    np.testing.assert_allclose(many.r[1], 2 * order_parameters(w, w_star).r)
    assert many.t.shape == (2, 2)


def test_rows_get_the_length_of_a_unit_overlap():
    w, w_star = weights()
    unit = normalize_rows(w)
    np.testing.assert_allclose(np.diagonal(order_parameters(unit, w_star).q), 1.0)
    np.testing.assert_allclose(unit / np.linalg.norm(unit, axis=1)[:, None], w / np.linalg.norm(w, axis=1)[:, None])


def close(drawn, expected, draws: int) -> None:
    for a, b in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=5 / np.sqrt(draws))


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
def test_random_edges_on_average(keep):
    w, w_star = weights()
    draws = 20_000
    rng = np.random.default_rng(2)
    expected = random_edge_order_parameters(w, w_star, keep)
    close(mean_order_parameters(w, w_star, rng.random((draws, 4, 12)) < keep), expected, draws)
    exactly = rng.random((draws, 4, 12)).argsort(axis=-1) < round(12 * keep)
    close(mean_order_parameters(w, w_star, exactly), expected, draws)


@pytest.mark.parametrize("kept", [0, 1, 3, 4])
def test_random_nodes_on_average(kept):
    w, w_star = weights()
    draws = 20_000
    masks = np.random.default_rng(3).random((draws, 4)).argsort(axis=-1) < kept
    close(mean_order_parameters(w, w_star, masks[:, :, None]), random_node_order_parameters(w, w_star, kept), draws)


def test_the_only_node_is_kept_or_not():
    w, w_star = weights(k=1)
    assert random_node_order_parameters(w, w_star, 0).q[0, 0] == 0
    np.testing.assert_allclose(random_node_order_parameters(w, w_star, 1).q, order_parameters(w, w_star).q)


@given(st.integers(0, 12), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_the_largest_edges_are_kept(kept, seed):
    w, _ = weights(seed=seed)
    mask = magnitude_edges(w, kept)
    assert (mask.sum(axis=-1) == kept).all()
    for row, keep in zip(np.abs(w), mask, strict=True):
        assert row[keep].min(initial=np.inf) >= row[~keep].max(initial=0.0)


def test_ties_go_to_the_earlier_edge():
    assert magnitude_edges([[1.0, -1.0, 1.0, 2.0]], 2).tolist() == [[True, False, False, True]]


def test_importance_keeps_more_overlap_than_chance():
    w, _ = weights(n=200)
    chosen = order_parameters(w * magnitude_edges(w, 50), w).r
    assert (np.diagonal(chosen) > 2 * np.diagonal(random_edge_order_parameters(w, w, 0.25).r)).all()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda w, s: order_parameters(w, s[:, :-1]), "same inputs"),
        (lambda w, s: order_parameters(w, s[None]), "same inputs"),
        (lambda w, s: order_parameters(w[0], s), "shape"),
        (lambda w, s: order_parameters(w[:0], s), "shape"),
        (lambda w, s: order_parameters(w * np.nan, s), "NaN"),
        (lambda w, s: order_parameters([["a"]], s), "numbers"),
        (lambda w, s: mean_order_parameters(w, s, np.ones((2, 3, 12), dtype=bool)), "masks"),
        (lambda w, s: mean_order_parameters(w, s, np.ones((2, 4, 12))), "masks"),
        (lambda w, s: mean_order_parameters(w, s, np.ones((0, 4, 12), dtype=bool)), "masks"),
        (lambda w, s: random_edge_order_parameters(w, s, 1.1), "out of range"),
        (lambda w, s: random_edge_order_parameters(w, s, np.nan), "out of range"),
        (lambda w, s: random_node_order_parameters(w, s, 5), "out of range"),
        (lambda w, s: random_node_order_parameters(w, s, 1.5), "out of range"),
        (lambda w, s: magnitude_edges(w, 13), "out of range"),
        (lambda w, s: magnitude_edges(w, True), "out of range"),
        (lambda w, s: normalize_rows(0 * w), "zeros"),
    ],
)
def test_refusals(act, message):
    with pytest.raises(PrunescopeError, match=message):
        act(*weights())
