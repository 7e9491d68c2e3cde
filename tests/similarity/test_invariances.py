"""Every similarity in one table: what must not move it, what must, and its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.similarity import cka, mean_cca, nbs, procrustes_distance, pwcca, svcca

N, P, Q = 120, 5, 8


class Case(NamedTuple):
    metric: Callable[..., float]
    identical: float = 1.0
    low: float = 0.0
    high: float = 1.0
    rotation_of_x: bool = True
    any_map_of_x: bool = False
    any_map_of_y: bool = False
    symmetric: bool = True


CASES = {
    "cka": Case(cka, low=-1.0),
    "biased cka": Case(partial(cka, debiased=False)),
    "rbf cka": Case(partial(cka, kernel="rbf"), low=-1.0),
    "biased rbf cka": Case(partial(cka, kernel="rbf", debiased=False, bandwidth=0.5)),
    "mean_cca": Case(mean_cca, any_map_of_x=True, any_map_of_y=True),
    "svcca": Case(svcca),
    "pwcca": Case(pwcca, rotation_of_x=False, any_map_of_y=True, symmetric=False),
    "nbs": Case(nbs),
    "procrustes_distance": Case(procrustes_distance, identical=0.0, high=math.sqrt(2)),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def related(seed: int = 0, n: int = N, p: int = P, q: int = Q) -> tuple[np.ndarray, np.ndarray]:
    """Two representations with uneven spectra that share a part of what they say."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.linspace(2, 0.5, p) + rng.normal(size=p)
    y = np.tanh(x @ rng.normal(size=(p, q))) + 0.5 * rng.normal(size=(n, q))
    return x, y


def rotation(size: int, seed: int = 1) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def mixing(size: int, seed: int = 2) -> np.ndarray:
    """An invertible map with a condition number of 30."""
    return rotation(size, seed) * np.geomspace(1, 30, size) @ rotation(size, seed + 1)


@every
def test_a_layer_against_itself(case):
    x, y = related()
    assert case.metric(x, x) == pytest.approx(case.identical, abs=1e-9)
    assert case.metric(y, y) == pytest.approx(case.identical, abs=1e-9)


@every
def test_related_layers_lie_between_unrelated_and_identical(case):
    x, y = related()
    unrelated = case.metric(x, y[np.random.default_rng(3).permutation(N)])
    value = case.metric(x, y)
    assert min(unrelated, case.identical) < value < max(unrelated, case.identical)
    assert abs(value - case.identical) > 0.05


@every
@pytest.mark.parametrize(
    "change",
    [
        lambda z: -z,
        lambda z: z[:, ::-1],
        lambda z: 7.5 * z,
        lambda z: 1e150 * z,
        lambda z: 1e-150 * z,
        lambda z: z + np.arange(z.shape[1]) * 10,
        lambda z: np.c_[z, np.full(len(z), 3.7), np.zeros(len(z))],
    ],
    ids=["reflection", "unit order", "scale", "huge scale", "tiny scale", "shift", "dead units"],
)
def test_what_moves_no_similarity(case, change):
    x, y = related()
    value = case.metric(x, y)
    assert case.metric(change(x), y) == pytest.approx(value, abs=1e-10)
    assert case.metric(x, change(y)) == pytest.approx(value, abs=1e-10)


@every
def test_a_rotation(case):
    x, y = related()
    value = case.metric(x, y)
    moved = abs(case.metric(x @ rotation(P), y) - value)
    assert moved < 1e-11 if case.rotation_of_x else moved > 1e-3
    assert case.metric(x, y @ rotation(Q)) == pytest.approx(value, abs=1e-11)


@every
def test_an_invertible_map_of_x(case):
    x, y = related()
    moved = abs(case.metric(x @ mixing(P), y) - case.metric(x, y))
    assert moved < 1e-10 if case.any_map_of_x else moved > 1e-3


@every
def test_an_invertible_map_of_y(case):
    x, y = related()
    moved = abs(case.metric(x, y @ mixing(Q)) - case.metric(x, y))
    assert moved < 1e-10 if case.any_map_of_y else moved > 1e-3


@every
def test_the_order_of_the_examples_does_not_matter_if_it_is_shared(case):
    x, y = related()
    order = np.random.default_rng(4).permutation(N)
    assert case.metric(x[order], y[order]) == pytest.approx(case.metric(x, y), abs=1e-11)


@every
def test_symmetry(case):
    x, y = related()
    difference = abs(case.metric(x, y) - case.metric(y, x))
    assert difference < 1e-12 if case.symmetric else difference > 1e-3


@every
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 6), q=st.integers(1, 6), mix=st.floats(0, 1))
def test_the_value_stays_in_its_range(case, seed, p, q, mix):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(60, p)), rng.normal(size=(60, q))
    y = mix * np.resize(x.T, (q, 60)).T + (1 - mix) * noise
    value = case.metric(x, y)
    assert isinstance(value, float)
    assert case.low <= value <= case.high


@every
def test_float32_gives_the_value_of_float64(case):
    x, y = related()
    assert case.metric(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(case.metric(x, y), abs=2e-6)


@every
def test_half_precision_gives_nearly_the_value_of_float64(case):
    x, y = (torch.from_numpy(part) for part in related())
    for dtype, tolerance in ((torch.float16, 3e-3), (torch.bfloat16, 2e-2)):
        assert case.metric(x.to(dtype), y.to(dtype)) == pytest.approx(case.metric(x, y), abs=tolerance)


@every
def test_tensors_give_the_value_of_arrays(case):
    x, y = related()
    value = case.metric(x, y)
    tensor = torch.from_numpy(x).requires_grad_()
    assert case.metric(tensor, torch.from_numpy(y)) == value
    assert case.metric(x, torch.from_numpy(y)) == value
    assert isinstance(case.metric(tensor, y), float)


@every
def test_the_layout_in_memory_does_not_matter(case):
    x, y = related()
    value = case.metric(x, y)
    locked = y.copy()
    locked.setflags(write=False)
    assert case.metric(np.asfortranarray(x), locked) == pytest.approx(value, abs=1e-12)
    assert case.metric(x[::-1], y[::-1]) == pytest.approx(value, abs=1e-12)
    assert case.metric(torch.from_numpy(x.T.copy()).T, y) == pytest.approx(value, abs=1e-12)


@every
def test_the_inputs_are_left_as_they_were(case):
    x, y = related()
    before = x.copy(), y.copy()
    case.metric(x, y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
