from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.hsic import hsic, normalised, require_own


def u_centred(kernel):
    """Székely and Rizzo's U-centring, under which HSIC is a plain inner product off the diagonal."""
    n = len(kernel)
    k = kernel - np.diag(np.diag(kernel))
    k = k - k.sum(0) / (n - 2) - k.sum(1)[:, None] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    return k - np.diag(np.diag(k))


def test_four_sums_are_the_inner_product_of_u_centred_kernels():
    rng = np.random.default_rng(0)
    a, b = (m + m.T for m in rng.normal(size=(2, 9, 9)))
    h = np.eye(9) - 1 / 9
    k, m = (torch.from_numpy(h @ z @ h) for z in (a, b))
    found = hsic((k * m).sum(), k.diagonal() @ m.diagonal(), k.trace(), m.trace(), 9, debiased=True)
    assert float(found) == pytest.approx((u_centred(a) * u_centred(b)).sum(), abs=1e-10)


def test_the_biased_form_is_the_inner_product_alone():
    six = torch.tensor(6.0)
    assert hsic(six, six, six, six, 2, debiased=False) is six


def test_zero_and_rounding_below_zero_are_refused_by_name():
    own = torch.tensor([1.0, -1e-17])
    with pytest.raises(PrunescopeError, match=r"^second: .*got -1\.0e-17 of it"):
        require_own(own, torch.ones(2), ["first", "second"])
    with pytest.raises(PrunescopeError, match=r"got 0\.0e\+00 of it"):
        require_own(torch.zeros(1), torch.zeros(1), ["only"])
    require_own(torch.ones(1), torch.ones(1), ["fine"])


def test_normalised_divides_rows_and_columns():
    found = normalised(torch.tensor([[2.0, 6.0]]), torch.tensor([4.0]), torch.tensor([1.0, 9.0]))
    assert found.tolist() == [[1.0, 1.0]]
