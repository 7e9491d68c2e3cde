from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import (
    Moments,
    cca,
    cka,
    layer_grid,
    mean_cca,
    nbs,
    procrustes_distance,
    pwcca,
    svcca,
)
from prunescope.similarity.representation import computing_device, represent

FUNCTIONS = [cca, cka, mean_cca, nbs, procrustes_distance, pwcca, svcca, Moments.of]
every = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__qualname__)


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_place(function, bad):
    x, y = gaussian(50, 3), gaussian(50, 2, seed=1)
    y[7, 1] = bad
    with pytest.raises(PrunescopeError, match=r"^y: a value is NaN or infinite.*1 such, the first in row 7, column 1"):
        function(x, y)


@every
def test_different_numbers_of_examples_are_refused(function):
    with pytest.raises(PrunescopeError, match=r"y: different numbers of examples; expected n = 50 as in x, got n = 49"):
        function(gaussian(50, 3), gaussian(49, 3))


@every
@pytest.mark.parametrize("shape", [(0, 3), (50, 0)])
def test_an_empty_matrix_is_refused(function, shape):
    with pytest.raises(PrunescopeError, match=r"x: not a matrix .* got shape \["):
        function(np.empty(shape), gaussian(50, 3))


@every
def test_a_vector_is_refused_and_told_how_to_become_a_matrix(function):
    with pytest.raises(PrunescopeError, match=r"got shape \[50\]\. A single feature is written x\[:, None\]"):
        function(gaussian(50), gaussian(50, 3))


@every
def test_a_number_is_refused(function):
    with pytest.raises(PrunescopeError, match=r"got shape \[\]"):
        function(np.float64(1.0), gaussian(50, 3))


@every
def test_what_is_not_a_real_number_is_refused(function):
    x = gaussian(50, 3)
    for bad in (x.astype(complex), x.astype(str), torch.from_numpy(x).to(torch.complex64)):
        with pytest.raises(PrunescopeError, match="values are not real numbers"):
            function(bad, x)


@every
def test_two_devices_are_refused(function):
    with pytest.raises(PrunescopeError, match=r"different devices; got \['cpu', 'meta'\]"):
        function(torch.ones(50, 3), torch.ones(50, 3, device="meta"))


@pytest.mark.parametrize("function", FUNCTIONS[:-1], ids=lambda f: f.__qualname__)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e8, 1e-200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_layer_whose_features_are_all_constant_is_refused(function, value, dtype):
    dead = np.full((100, 3), value, dtype=dtype)
    with pytest.raises(PrunescopeError, match=r"y: every feature is constant.*got 3 constant of 3, n = 100"):
        function(gaussian(100, 2), dead)


def test_the_layer_at_fault_is_named_in_a_grid():
    good, bad = gaussian(50, 3), gaussian(50, 3)
    bad[0, 0] = np.nan
    with pytest.raises(PrunescopeError, match=r"^ys\[1\]: a value is NaN"):
        layer_grid([good, good], [good, bad])
    with pytest.raises(PrunescopeError, match=r"^xs\[1\]: every feature is constant"):
        layer_grid([good, np.ones((50, 2))], [good], metric="nbs")


@pytest.mark.parametrize("n", [100, 1_000_003])
def test_constant_columns_are_found_in_spite_of_the_rounding_of_their_mean(n):
    [layer] = represent([np.c_[np.full(n, 0.1), np.full(n, -1e9 / 3), np.arange(n)]], ["x"])
    assert layer.alive.tolist() == [False, False, True]


def test_a_column_that_varies_by_more_than_rounding_is_alive():
    values = np.full((100, 2), 1000.0, dtype=np.float32)
    values[0] += [1e-4, 1e-1]  # one unit in the last place, and a thousand of them
    [layer] = represent([values], ["x"])
    assert layer.alive.tolist() == [False, True]


def test_a_constant_of_huge_size_does_not_hide_a_small_column_that_varies():
    x = np.c_[np.full(100, 1e6, dtype=np.float32), 1e-4 * gaussian(100).astype(np.float32)]
    assert cka(x, x[:, 1:]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("function", [cka, mean_cca, nbs, procrustes_distance, pwcca, svcca], ids=lambda f: f.__name__)
def test_values_near_the_end_of_float64_neither_overflow_nor_cancel_in_the_mean(function):
    x, y = gaussian(100, 3), gaussian(100, 2, seed=1) + gaussian(100, 3)[:, :2]
    value = function(x, y)
    mirrored = np.r_[x, -x], np.r_[y, -y]  # columns whose mean is exactly zero
    assert function(1e307 * np.abs(x) / np.abs(x).max(), y) == pytest.approx(function(np.abs(x), y), abs=1e-9)
    assert function(1e200 * x, 1e-300 * y) == pytest.approx(value, abs=1e-9)
    assert function(1e200 * mirrored[0], mirrored[1]) == pytest.approx(function(*mirrored), abs=1e-9)


def test_integers_and_booleans_are_numbers():
    codes = np.random.default_rng(0).integers(0, 2, size=(200, 4))
    assert cka(codes, codes.astype(float)) == pytest.approx(1)
    assert cka(codes.astype(bool), torch.from_numpy(codes)) == pytest.approx(1)
    assert cka(codes.tolist(), codes) == pytest.approx(1)


def test_centred_columns_sum_to_zero_beside_a_large_mean():
    [layer] = represent([gaussian(1000, 3) + 1e6], ["x"])
    assert float(layer.centred().sum(0).abs().max()) < 1e-5
    assert layer.centred().dtype == torch.float64


def test_a_wide_layer_becomes_as_wide_as_it_has_examples_with_the_same_inner_products():
    [layer] = represent([gaussian(20, 300)], ["x"])
    compact = layer.compact()
    assert compact.width == 20
    torch.testing.assert_close(compact.centred() @ compact.centred().T, layer.centred() @ layer.centred().T)
    assert compact.compact() is compact


def test_work_stays_on_the_device_unless_it_has_no_float64():
    assert computing_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    assert computing_device(torch.device("mps")) == torch.device("cpu")
