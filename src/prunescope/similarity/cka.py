"""Centred kernel alignment: linear through features or examples, Gaussian through the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.similarity.family import Family, pair_value
from prunescope.similarity.hsic import hsic, normalised, require_four, require_own
from prunescope.similarity.kernels import Kernel, centred_kernels, gaussian_kernel
from prunescope.similarity.representation import SAFE, Matrix, Representation
from prunescope.similarity.stack import linear_statistics


def cka(
    x: Matrix,
    y: Matrix,
    debiased: bool = True,
    kernel: Literal["linear", "rbf"] = "linear",
    bandwidth: float = 1.0,
) -> float:
    r"""Return the centred kernel alignment of two representations, a similarity.

        CKA = HSIC(K, L) / √(HSIC(K, K) · HSIC(L, L)),  linear and biased: ‖XᵀY‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F), X, Y centred.

    The biased form of unrelated data is not 0: with p = q features of about equal variance it is near p/(n + p),
    so layers of different width cannot be compared by it. The debiased form (the default) leaves out the diagonals
    of the kernels and is near 0 there; it can be slightly negative. Both need no n × n matrix when n > p: the
    debiased one is ‖XᵀY‖²_F − n/(n−2) Σ_i ‖x_i‖²‖y_i‖² + ‖X‖²_F ‖Y‖²_F / ((n−1)(n−2)) for each HSIC.

    Invariant to rotation, isotropic scale and shift of either side; not to other invertible maps.

    Args:
        x: ``[n, p]`` examples by features, numpy or torch.
        y: ``[n, q]`` the same examples.
        debiased: the unbiased estimator of HSIC in all three places.
        kernel: ``linear``, or ``rbf`` for exp(−‖a − b‖²/2σ²), which holds n × n values.
        bandwidth: σ as a fraction of the median distance between examples (``rbf`` alone).

    Returns:
        The value: in [0, 1] if biased, in [−1, 1] if debiased, 1 for x = y.

    Raises:
        PrunescopeError: n < 4 when debiased, different n, NaN, all features constant, or a layer whose debiased
            HSIC with itself is zero (no value is defined).

    Source: Kornblith et al. 2019 (arXiv 1905.00414); Song et al., JMLR 13 (2012) for the debiased form.

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 100))
        >>> round(cka(x, y), 2), round(cka(x, y, debiased=False), 2), cka(x, 3 * x + 1)
        (0.01, 0.34, 1.0)
    """
    return pair_value(cka_family(debiased, kernel, bandwidth), x, y)


def cka_from_kernels(kernel_x: Matrix, kernel_y: Matrix, debiased: bool = True) -> float:
    """Return the centred kernel alignment of two kernel matrices, centred here.

    Args:
        kernel_x: ``[n, n]`` symmetric kernel, centred or not.
        kernel_y: ``[n, n]`` kernel of the same examples.
        debiased: the unbiased estimator of HSIC in all three places.

    Raises:
        PrunescopeError: kernels that are not square, symmetric, finite and of one size, or are constant.

    Source: Cortes et al., Algorithms for learning kernels based on centered alignment, JMLR 13 (2012).

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(50, 5))
        >>> round(cka_from_kernels(x @ x.T, x @ x.T), 6)
        1.0
    """
    x, y = centred_kernels(kernel_x, kernel_y)
    return float(kernel_cka([x], [y], debiased=debiased)[0, 0])


def cka_family(debiased: bool = True, kernel: Literal["linear", "rbf"] = "linear", bandwidth: float = 1.0) -> Family:
    """Return how :func:`cka` prepares and compares layers."""
    if kernel not in ("linear", "rbf"):
        raise unknown_name("kernel", kernel, ("linear", "rbf"))
    if not 0 < bandwidth < float("inf"):
        raise PrunescopeError("bandwidth out of range", expected="0 < bandwidth < ∞", got=bandwidth, where="cka")
    if kernel == "linear":
        return Family(lambda layer: layer, partial(linear_cka, debiased=debiased))
    return Family(partial(_prepare_gaussian, bandwidth=bandwidth), partial(kernel_cka, debiased=debiased))


def linear_cka(xs: Sequence[Representation], ys: Sequence[Representation], *, debiased: bool) -> Tensor:
    """Return ``[len(xs), len(ys)]`` linear CKA from one stacked product."""
    n = xs[0].n
    if debiased:
        require_four(n, xs[0].where)
    sums = linear_statistics(xs, ys)
    if not (_tame(sums.norms_x) and _tame(sums.norms_y)):
        same, xs = ys is xs, [x.tamed() for x in xs]
        ys = xs if same else [y.tamed() for y in ys]
        sums = linear_statistics(xs, ys)
    own = []
    for layers, squares, norms in ((xs, sums.own_x, sums.norms_x), (ys, sums.own_y, sums.norms_y)):
        traces = norms.sum(1)
        for layer, energy in zip(layers, traces.tolist(), strict=True):
            layer.require_variation(energy)
        own.append(hsic(squares, norms.square().sum(1), traces, traces, n, debiased=debiased))
        require_own(own[-1], squares, [layer.where for layer in layers])
    overlap = sums.norms_x @ sums.norms_y.T
    traces_x, traces_y = sums.norms_x.sum(1)[:, None], sums.norms_y.sum(1)
    return normalised(hsic(sums.inner, overlap, traces_x, traces_y, n, debiased=debiased), *own)


def kernel_cka(xs: Sequence[Kernel], ys: Sequence[Kernel], *, debiased: bool) -> Tensor:
    """Return ``[len(xs), len(ys)]`` CKA of doubly centred kernels."""
    if debiased:
        require_four(xs[0].n, xs[0].where)
    own = []
    for kernels in (xs, ys):
        values = torch.stack([_kernel_hsic(kernel, kernel, debiased=debiased) for kernel in kernels])
        squares = torch.stack([kernel.values.square().sum() for kernel in kernels])
        require_own(values, squares, [kernel.where for kernel in kernels])
        own.append(values)
    cross = torch.stack([torch.stack([_kernel_hsic(x, y, debiased=debiased) for y in ys]) for x in xs])
    return normalised(cross, *own)


def _tame(norms: Tensor) -> bool:
    """Tell whether squares of these squared norms keep their digits (NaN does not)."""
    energies = norms.sum(1)
    return bool(((energies > SAFE[0] ** 2) & (energies < SAFE[1] ** 2)).all())


def _kernel_hsic(x: Kernel, y: Kernel, *, debiased: bool) -> Tensor:
    inner = torch.dot(x.values.flatten(), y.values.flatten())
    overlap = torch.dot(x.values.diagonal(), y.values.diagonal())
    return hsic(inner, overlap, x.trace, y.trace, x.n, debiased=debiased)


def _prepare_gaussian(layer: Representation, bandwidth: float) -> Kernel:
    return gaussian_kernel(layer.ready(), bandwidth)
