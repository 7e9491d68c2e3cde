"""Normalised Bures similarity through a nuclear norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.family import Family, pair_value
from prunescope.similarity.kernels import Kernel, centred_kernels
from prunescope.similarity.representation import EPS, Matrix, Representation
from prunescope.similarity.stack import cross_products

NEGATIVE = 1e-5


def nbs(x: Matrix, y: Matrix) -> float:
    r"""Return the normalised Bures similarity of the linear kernels, in [0, 1].

        NBS = tr (K^½ L K^½)^½ / √(tr K · tr L) = ‖XᵀY‖_* / (‖X‖_F ‖Y‖_F),  K = XXᵀ, L = YYᵀ, X, Y centred,

    with the nuclear norm (the sum of singular values) of a p × q matrix; no n × n matrix is formed. Invariant to
    rotation, isotropic scale and shift. Unrelated Gaussian data give about 0.85 √(p/n) for p = q ≪ n, not 0.

    Args:
        x: ``[n, p]`` examples by features, numpy or torch.
        y: ``[n, q]`` the same examples.

    Raises:
        PrunescopeError: different n, NaN, all features constant.

    Source: Tang, Maddox, Dickens, Diethe, Damianou 2020 (arXiv 2003.11498).

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> round(nbs(x, x[:, ::-1]), 6), round(nbs(x, x[:, :1]), 6)
        (1.0, 0.707107)
    """
    return pair_value(nbs_family(), x, y)


def nbs_from_kernels(kernel_x: Matrix, kernel_y: Matrix) -> float:
    """Return the normalised Bures similarity of two positive semi-definite kernels ``[n, n]``, centred here.

    Each kernel is factored as K = AAᵀ through its eigenvalues, and the value is ‖AᵀB‖_* / (‖A‖_F ‖B‖_F): no root
    of a root, so no digits are lost.

    Raises:
        PrunescopeError: kernels that are not square, symmetric, finite and of one size, constant, or have a
            negative eigenvalue beyond rounding.

    Source: Tang et al. 2020 (arXiv 2003.11498).

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).normal(size=(2, 30, 4))
        >>> abs(nbs_from_kernels(x @ x.T, y @ y.T) - nbs(x, y)) < 1e-9
        True
    """
    x, y = (_factor(kernel) for kernel in centred_kernels(kernel_x, kernel_y))
    return float(_grid([x], [y])[0, 0])


def nbs_family() -> Family:
    """Return how :func:`nbs` prepares and compares layers."""
    return Family(varying_compact, _grid)


def varying_compact(layer: Representation) -> Representation:
    """Return the layer with at most n features; refuse one whose features are all constant."""
    return layer.ready().compact()


def frobenius(layers: Sequence[Representation]) -> Tensor:
    """Return ``[layers]`` Frobenius norms of the centred values."""
    return torch.stack([torch.linalg.vector_norm(layer.centred()) for layer in layers])


def _grid(xs: Sequence[Representation], ys: Sequence[Representation]) -> Tensor:
    values = xs[0].mean.new_zeros(len(xs), len(ys))
    for i, j, product in cross_products(xs, ys):
        values[i, j] = torch.linalg.svdvals(product).sum()
    return (values / frobenius(xs)[:, None] / frobenius(ys)).clamp_(0.0, 1.0)


def _factor(kernel: Kernel) -> Representation:
    """Return A with K = AAᵀ as a layer."""
    eigenvalues, vectors = torch.linalg.eigh(kernel.values)
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    if smallest < -NEGATIVE * largest or largest <= 0:
        raise PrunescopeError(
            "a kernel has a negative eigenvalue",
            expected="positive semi-definite",
            got=f"{smallest:.3g} beside {largest:.3g}",
            where=kernel.where,
        )
    factor = vectors * eigenvalues.clamp_(min=0).sqrt()
    return Representation(factor, factor.new_zeros(kernel.n), EPS, kernel.where)
