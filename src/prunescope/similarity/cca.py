"""Canonical correlations through QR and SVD of the centred data: all of them, their means, and two weightings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.basis import Basis, principal, spanned
from prunescope.similarity.family import Family, pair_value
from prunescope.similarity.representation import Matrix, represent
from prunescope.similarity.stack import cross_products


@dataclass(frozen=True)
class CCAResult:
    """The canonical correlations of two representations and what they rest on.

    Attributes:
        correlations: ``[min(rank_x, rank_y)]`` in [0, 1], descending, float64.
        n: examples.
        p: features of x, constant ones included.
        q: features of y, constant ones included.
        rank_x: dimensions that x spans after centring.
        rank_y: dimensions that y spans after centring.
        dropped_x: constant features of x (dead units).
        dropped_y: constant features of y.
    """

    correlations: NDArray[np.float64]
    n: int
    p: int
    q: int
    rank_x: int
    rank_y: int
    dropped_x: int
    dropped_y: int


def cca(x: Matrix, y: Matrix) -> CCAResult:
    r"""Return all canonical correlations, the singular values of Q_xᵀ Q_y.

    Q_x, Q_y are orthonormal bases of the centred columns, from QR and an SVD of the triangular factor; covariances
    are never formed or inverted. Columns are brought to unit length first, so the rank does not depend on their
    units: singular values count above max(n, p) · ε · s_max (and four rounding units of the precision the values
    came in). Constant columns are dropped and counted, duplicated ones lower the rank.

    Invariant to any invertible linear map and shift of either side. Correlations of unrelated data are far from 0
    when n is not much larger than p + q: see :func:`~prunescope.similarity.permutation_floor`.

    Args:
        x: ``[n, p]`` examples by features, numpy or torch.
        y: ``[n, q]`` the same examples.

    Raises:
        PrunescopeError: n ≤ p or n ≤ q (constant columns not counted), different n, NaN, all columns constant.

    Warns:
        SmallSampleWarning: n < 10 max(p, q).

    Source: Hotelling 1936; Björck and Golub, Numerical methods for computing angles between linear subspaces,
    Mathematics of Computation 27 (1973).

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> found = cca(x, np.c_[x[:, 0] + x[:, 1], np.ones(200)])
        >>> found.correlations.round(6).tolist(), found.rank_y, found.dropped_y
        ([1.0], 1, 1)
    """
    layer_x, layer_y = represent([x, y], ["x", "y"])
    basis_x, basis_y = spanned(layer_x), spanned(layer_y)
    mean_cca_family().warn_if_small(layer_x.n, [basis_x, basis_y], stacklevel=3)
    [(_, _, product)] = cross_products([basis_x.vectors], [basis_y.vectors])
    return CCAResult(
        correlations=_correlations(product).cpu().numpy(),
        n=layer_x.n,
        p=layer_x.width,
        q=layer_y.width,
        rank_x=basis_x.rank,
        rank_y=basis_y.rank,
        dropped_x=basis_x.dropped,
        dropped_y=basis_y.dropped,
    )


def mean_cca(x: Matrix, y: Matrix) -> float:
    """Return the plain mean of all canonical correlations, a similarity in [0, 1].

    Nothing is cut off: the mean is over min(rank_x, rank_y) correlations. Arguments, refusals and warning are those
    of :func:`cca`. For unrelated Gaussian data the mean is near 0.85 √(p/n) when p = q ≪ n.

    Source: Raghu et al. 2017 (arXiv 1706.05806).

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).normal(size=(2, 2000, 40))
        >>> round(mean_cca(x, y), 2), round(mean_cca(x, x @ np.triu(np.ones((40, 40)))), 6)
        (0.12, 1.0)
    """
    return pair_value(mean_cca_family(), x, y)


def svcca(x: Matrix, y: Matrix, variance: float = 0.99) -> float:
    r"""Return the mean canonical correlation of the leading principal components, a similarity in [0, 1].

    Each side keeps the fewest components whose squared singular values make up ``variance`` of their sum (a share,
    so the scale of the data does not matter). Invariant to rotation, isotropic scale and shift; not to other maps.

    Args:
        x: ``[n, p]`` examples by features; p may exceed n.
        y: ``[n, q]`` the same examples.
        variance: share of the squared singular values to keep, in (0, 1].

    Raises:
        PrunescopeError: variance out of range; n − 1 components kept (they span all examples, so every correlation
            would be 1); different n, NaN, all columns constant.

    Warns:
        SmallSampleWarning: n < 10 times the components kept.

    Source: Raghu et al. 2017 (arXiv 1706.05806).

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(300, 4)) * [10, 10, 1, 0.1]
        >>> round(svcca(x, x[:, :3]), 6)
        1.0
    """
    return pair_value(svcca_family(variance), x, y)


def pwcca(x: Matrix, y: Matrix) -> float:
    r"""Return the projection-weighted mean of the canonical correlations, weighted by x: Σ α_i ρ_i / Σ α_i.

    α_i = Σ_j |⟨h_i, x_j⟩| with the canonical variates h_i of x, the columns of Q_x U (U from the SVD of Q_xᵀ Q_y),
    and the centred columns x_j. Not symmetric: pwcca(x, y) asks how much of what x shows is in y. Invariant to any
    invertible map of y and to rescaling of x; not to other maps of x, which change the weights.

    Arguments, refusals and warning are those of :func:`cca`.

    Source: Morcos et al. 2018 (arXiv 1806.05759).

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(500, 2)) * [10, 1]
        >>> round(pwcca(x, x[:, :1]), 6), round(pwcca(x, x @ [[1.0, 2.0], [0.0, 1.0]]), 6)
        (1.0, 1.0)
    """
    return pair_value(pwcca_family(), x, y)


def mean_cca_family() -> Family:
    """Return how :func:`mean_cca` prepares and compares layers."""
    return Family(spanned, partial(_grid, reduce=_mean_correlation), _features)


def svcca_family(variance: float = 0.99) -> Family:
    """Return how :func:`svcca` prepares and compares layers."""
    if not 0 < variance <= 1:
        raise PrunescopeError("variance out of range", expected="0 < variance ≤ 1", got=variance, where="svcca")
    return Family(partial(principal, variance=variance), partial(_grid, reduce=_mean_correlation), _features)


def pwcca_family() -> Family:
    """Return how :func:`pwcca` prepares and compares layers."""
    return Family(spanned, partial(_grid, reduce=_projection_weighted), _features)


def _grid(xs: Sequence[Basis], ys: Sequence[Basis], reduce: Callable[[Tensor, Basis], Tensor]) -> Tensor:
    left = [basis.vectors for basis in xs]
    right = left if ys is xs else [basis.vectors for basis in ys]
    values = left[0].mean.new_zeros(len(xs), len(ys))
    for i, j, product in cross_products(left, right):
        values[i, j] = reduce(product, xs[i])
    return values


def _correlations(product: Tensor) -> Tensor:
    correlations: Tensor = torch.linalg.svdvals(product).clamp_(0.0, 1.0)
    return correlations


def _mean_correlation(product: Tensor, _: Basis) -> Tensor:
    return _correlations(product).mean()


def _projection_weighted(product: Tensor, x: Basis) -> Tensor:
    u, correlations, _ = torch.linalg.svd(product, full_matrices=False)
    weights = (u.T @ x.loadings).abs().sum(1)
    value: Tensor = (weights @ correlations.clamp_(0.0, 1.0)) / weights.sum()
    return value


def _features(basis: Basis) -> int:
    return basis.features
