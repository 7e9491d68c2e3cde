"""Kernel matrices: checked, doubly centred, and the Gaussian kernel with its median bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.representation import (
    CONSTANT_ULPS,
    Matrix,
    Representation,
    checked_values,
    require_finite,
    require_rows,
    shared_device,
)

SYMMETRY = 1e-6


@dataclass(frozen=True)
class Kernel:
    """A doubly centred kernel ``[n, n]``, float64."""

    values: Tensor
    where: str

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.values)

    @property
    def trace(self) -> Tensor:
        """Sum of the diagonal."""
        return self.values.trace()

    def permuted(self, order: Tensor) -> Kernel:
        """Return the kernel of the same examples in another order."""
        return replace(self, values=self.values[order][:, order])


def doubly_centred(kernel: Tensor) -> Tensor:
    """Return H K H with H = I − 11ᵀ/n: row means, column means and the overall mean each removed once.

    Example:
        >>> doubly_centred(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    return kernel - kernel.mean(dim=0, keepdim=True) - kernel.mean(dim=1, keepdim=True) + kernel.mean()


def centred_kernels(kernel_x: Matrix, kernel_y: Matrix) -> tuple[Kernel, Kernel]:
    """Check two kernel matrices of the same n examples and centre them.

    Raises:
        PrunescopeError: not square, not symmetric, not finite, different n, or constant.
    """
    device = shared_device([kernel_x, kernel_y])
    x, y = _centred_kernel(kernel_x, "kernel_x", device), _centred_kernel(kernel_y, "kernel_y", device)
    require_rows(x.n, y.n, x.where, y.where)
    return x, y


def gaussian_kernel(layer: Representation, bandwidth: float = 1.0) -> Kernel:
    r"""Return the centred kernel k(a, b) = exp(−‖a − b‖² / 2σ²), σ = ``bandwidth`` × the median distance.

    The median is over the n(n−1)/2 distances between different examples, the mean of the middle two if their
    number is even.

    Raises:
        PrunescopeError: for a median distance of zero (more than half of the pairs are identical).
    """
    values = layer.centred()
    squares = values.square().sum(1)
    distances = (squares[:, None] + squares - 2 * (values @ values.T)).clamp_(min=0)
    sigma = bandwidth * median_distance(distances)
    # two equal rows differ by rounding alone, and that must not pass for a distance
    if not sigma > bandwidth * 1e-7 * math.sqrt(float(squares.max())):
        raise PrunescopeError(
            "the median distance between examples is zero",
            expected="at least half of the pairs of examples to differ",
            where=layer.where,
            remedy="Use the linear kernel, or drop repeated examples",
        )
    distances.fill_diagonal_(0)
    return Kernel(doubly_centred(distances.div_(-2 * sigma**2).exp_()), layer.where)


def median_distance(squared: Tensor) -> float:
    """Return the median of the distances between different examples from squared ones ``[n, n]``.

    Example:
        >>> median_distance(torch.tensor([[0.0, 1.0, 9.0], [1.0, 0.0, 4.0], [9.0, 4.0, 0.0]]))
        2.0
    """
    n = len(squared)
    pairs = n * (n - 1) // 2
    # the diagonal sorts last, and every pair stands twice
    flat = squared.clone().fill_diagonal_(math.inf).flatten()
    low, high = (math.sqrt(float(flat.kthvalue(2 * rank).values)) for rank in ((pairs + 1) // 2, pairs // 2 + 1))
    return (low + high) / 2


def _centred_kernel(kernel: Matrix, where: str, device: torch.device) -> Kernel:
    data, eps = checked_values(kernel, where, device)
    require_finite(data, where)
    rows, columns = data.shape
    if rows != columns:
        raise PrunescopeError("a kernel is square", expected="[n, n]", got=f"[{rows}, {columns}]", where=where)
    values = data.double()
    # similarities do not depend on the scale of a kernel, and near 1 its squares neither overflow nor vanish
    values = values / (values.abs().max() or 1.0)
    if float((values - values.T).abs().max()) > max(SYMMETRY, eps):
        raise PrunescopeError("a kernel is symmetric", expected="K = Kᵀ", where=where)
    centred = doubly_centred(values)
    if not float(centred.abs().max()) > CONSTANT_ULPS * eps:
        raise PrunescopeError("the kernel is constant", expected="examples that differ", where=where)
    return Kernel((centred + centred.T) / 2, where)
