from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import cka_from_kernels, nbs_from_kernels
from prunescope.similarity.kernels import centred_kernels, doubly_centred

every = pytest.mark.parametrize("function", [cka_from_kernels, nbs_from_kernels])


def gram(n=10, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return x @ x.T


def test_double_centring_is_the_centring_matrix_on_both_sides():
    kernel = np.random.default_rng(0).normal(size=(6, 6))
    h = np.eye(6) - 1 / 6
    np.testing.assert_allclose(doubly_centred(torch.from_numpy(kernel)).numpy(), h @ kernel @ h, atol=1e-14)


def test_a_centred_kernel_has_no_row_or_column_sum():
    for kernel in centred_kernels(gram(), gram(seed=1) + 5):
        assert float(kernel.values.sum(0).abs().max()) < 1e-12
        assert float(kernel.values.sum(1).abs().max()) < 1e-12


@every
def test_a_kernel_must_be_square_symmetric_varying_and_of_the_other_size(function):
    good = gram()
    lopsided = good.copy()
    lopsided[0, 1] += 0.1
    for bad, told in (
        (good[:, :9], r"kernel_y: a kernel is square; expected \[n, n\], got \[10, 9\]"),
        (lopsided, "kernel_y: a kernel is symmetric"),
        (np.full((10, 10), 0.3), "kernel_y: the kernel is constant"),
        (gram(n=9), "kernel_y: different numbers of examples; expected n = 10"),
        (np.where(np.eye(10), np.nan, good), "kernel_y: a value is NaN or infinite; .*first in row 0, column 0"),
    ):
        with pytest.raises(PrunescopeError, match=told):
            function(good, bad)


@every
def test_float32_kernels_may_be_symmetric_up_to_rounding(function):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    kernel = x @ x.T
    kernel[0, 1] = np.nextafter(kernel[0, 1], np.float32(9))
    assert function(kernel, x.astype(float) @ x.T) == pytest.approx(1, abs=1e-4)


@every
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_scale_of_a_kernel_does_not_matter(function, scale):
    assert function(scale * gram(), gram(seed=1)) == pytest.approx(function(gram(), gram(seed=1)), abs=1e-9)


@every
def test_a_kernel_of_zeros_is_constant(function):
    with pytest.raises(PrunescopeError, match="kernel_x: the kernel is constant"):
        function(np.zeros((10, 10)), gram())
