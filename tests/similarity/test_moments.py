from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import Moments, cka, nbs


def pair(n=80, p=5, q=3, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.linspace(2, 0.5, p) + shift * rng.normal(size=p)
    return x, np.tanh(x @ rng.normal(size=(p, q))) + rng.normal(size=(n, q)) + shift


def batches(x, y, cuts):
    return zip(np.split(x, cuts), np.split(y, cuts), strict=True)


@pytest.mark.parametrize("debiased", [True, False])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cuts=st.sets(st.integers(1, 79)), shift=st.sampled_from([0.0, 1.0, 1e3]))
def test_any_split_gives_the_value_of_the_whole(debiased, seed, cuts, shift):
    x, y = pair(seed=seed, shift=shift)
    found = Moments.of_batches(batches(x, y, sorted(cuts)))
    assert found.n == 80
    assert found.cka(debiased) == pytest.approx(cka(x, y, debiased), abs=1e-10)
    assert found.nbs() == pytest.approx(nbs(x, y), abs=1e-10)


def test_single_examples_are_a_stream():
    x, y = pair(n=30)
    found = Moments.of_batches(batches(x, y, list(range(1, 30))))
    assert found.cka() == pytest.approx(cka(x, y), abs=1e-12)


def test_parts_may_be_added_in_any_order_and_grouping():
    x, y = pair()
    a, b, c = (Moments.of(*batch) for batch in batches(x, y, [11, 12]))
    expected = cka(x, y)
    for found in ((a + b) + c, a + (b + c), c + a + b):
        assert found.cka() == pytest.approx(expected, abs=1e-13)


def test_a_stream_that_drifts_far_keeps_its_digits():
    x, y = pair(n=60)
    x[:20] += 1e4
    y[40:] -= 1e4
    found = Moments.of_batches(batches(x, y, [20, 40]))
    assert found.cka() == pytest.approx(cka(x, y), abs=1e-10)


def test_a_large_common_offset_does_not_cancel_digits():
    x, y = pair(n=60)
    found = Moments.of_batches(batches(x + 1e6, y - 1e6, [1, 20, 40]))
    assert found.cka() == pytest.approx(cka(x, y), abs=1e-9)
    assert found.nbs() == pytest.approx(nbs(x, y), abs=1e-9)


def test_more_features_than_examples_are_no_hindrance():
    x, y = pair(n=20, p=60, q=50)
    found = Moments.of_batches(batches(x, y, [3, 9]))
    assert found.cka() == pytest.approx(cka(x, y), abs=1e-10)
    assert found.nbs() == pytest.approx(nbs(x, y), abs=1e-10)


def test_float32_tensors_are_summed_in_float64():
    x, y = pair()
    parts = [(torch.from_numpy(a).float(), b) for a, b in batches(x, y, [30])]
    assert Moments.of_batches(parts).cka() == pytest.approx(cka(x.astype(np.float32), y), abs=1e-12)


def test_the_inputs_may_be_changed_afterwards():
    x, y = pair()
    moments = Moments.of(x, y)
    value = moments.cka()
    x *= np.random.default_rng(0).normal(size=x.shape)
    assert moments.cka() == value


def test_fewer_than_four_examples_are_refused_when_debiased():
    x, y = pair(n=3)
    moments = Moments.of(x, y)
    with pytest.raises(PrunescopeError, match=r"needs at least four examples; expected n ≥ 4, got n = 3"):
        moments.cka()
    assert moments.cka(debiased=False) == pytest.approx(cka(x, y, debiased=False))


def test_dead_sides_are_refused():
    x, _ = pair()
    with pytest.raises(PrunescopeError, match=r"^y: every feature is constant"):
        Moments.of_batches(batches(x, np.full((80, 2), 0.1), [7, 33])).cka()
    with pytest.raises(PrunescopeError, match=r"^x: every feature is constant"):
        Moments.of_batches(batches(np.full((80, 2), 0.1), x, [7, 33])).nbs()


def test_a_side_whose_debiased_self_similarity_vanishes_is_refused():
    x, _ = pair(n=12)
    with pytest.raises(PrunescopeError, match=r"^y: CKA divides by the layer's HSIC with itself"):
        Moments.of_batches(batches(x, np.eye(12), [5])).cka()


def test_parts_of_different_width_are_refused():
    x, y = pair()
    with pytest.raises(PrunescopeError, match=r"differ in width; expected \(5, 3\), got \(4, 3\)"):
        Moments.of(x, y) + Moments.of(x[:, :4], y)


def test_an_empty_stream_is_refused():
    with pytest.raises(PrunescopeError, match="the stream holds no batch"):
        Moments.of_batches([])


def test_sums_beyond_float64_are_refused():
    x, y = pair()
    with pytest.raises(PrunescopeError, match="x: the sums overflow"):
        Moments.of(x * 1e100, y).cka()
