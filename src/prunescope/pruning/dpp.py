"""Exact k-DPP sampling of L-ensembles, in the log domain, many draws from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.elementary_symmetric import (
    checked_size,
    conditional_chances,
    eigenvector_chances,
    log_elementary_symmetric,
)
from prunescope.pruning.projection_dpp import MEMORY, sample_projections

__all__ = [
    "inclusion_probabilities",
    "log_elementary_symmetric",
    "log_probability",
    "sample",
    "sample_from_features",
]

Array = NDArray[np.float64]

CLEARLY = 1e-8  # relative asymmetry or negative eigenvalue that rounding does not explain


class Spectrum(NamedTuple):
    """Eigenpairs of a batch of kernels; eigenvalues that are zero within rounding have the logarithm −inf."""

    log_values: Array
    vectors: Array

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Numerical rank of each kernel."""
        return np.asarray(np.isfinite(self.log_values).sum(axis=-1))


def sample(
    kernel: ArrayLike | Tensor, k: int, draws: int = 1, seed: int | np.random.Generator = 0
) -> NDArray[np.int64]:
    r"""Draw sets of k items with probability $P(S) = \det L_S / e_k(\lambda)$.

    One eigendecomposition O(N³), then per draw O(N·n) for the choice of n eigenvectors and about
    O(k³ log k) for the items, whatever N.

    Args:
        kernel: L, symmetric positive semi-definite ``[N, N]``, or many of them ``[kernels, N, N]``.
        k: items in each set.
        draws: sets drawn (of each kernel), independent.
        seed: an integer or a generator.

    Returns:
        Indices ``[draws, k]`` or ``[kernels, draws, k]``, increasing in each set.

    Raises:
        PrunescopeError: for a kernel that is not square, finite, symmetric and positive semi-definite, and for
            k above its numerical rank (eigenvalues above N·eps of the largest).

    Source: Kulesza and Taskar, k-DPPs: Fixed-Size Determinantal Point Processes, ICML 2011.

    Example:
        >>> sample([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], k=2, draws=4, seed=3)[:, 1]
        array([2, 2, 2, 2])
    """
    matrices, precision = _checked_kernel(kernel)
    drawn = _sample(_decompose(matrices, precision), checked_size(k), draws, seed)
    return drawn if matrices.ndim == 3 else drawn[0]


def sample_from_features(
    features: ArrayLike | Tensor, k: int, draws: int = 1, seed: int | np.random.Generator = 0
) -> NDArray[np.int64]:
    r"""Draw sets of k items from the kernel $L = F^\top F$ without forming it when it is the larger Gram matrix.

    With m < N the m × m matrix $F F^\top = U \Lambda U^\top$ is decomposed, and $V = F^\top U \Lambda^{-1/2}$.

    Args:
        features: F ``[m, N]``, one column per item, or ``[kernels, m, N]``.
        k: items in each set, at most the rank of F.
        draws: sets drawn (of each kernel), independent.
        seed: an integer or a generator.

    Returns:
        Indices ``[draws, k]`` or ``[kernels, draws, k]``, increasing in each set.

    Raises:
        PrunescopeError: for features that are not finite, and for k above their numerical rank.

    Source: Kulesza and Taskar, Determinantal Point Processes for Machine Learning (2012), section 3.3.

    Example:
        >>> sample_from_features([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0]], k=2, draws=3, seed=0)[:, 1]
        array([2, 2, 2])
    """
    columns, precision = _checked_array(features, "features")
    rows, items = columns.shape[-2:]
    unit = np.abs(columns).max(axis=(-2, -1), keepdims=True)  # the scale of a kernel does not matter; squares overflow
    stacked = (columns / np.where(unit > 0, unit, 1.0)).reshape(-1, rows, items)
    transposed = np.swapaxes(stacked, -1, -2)
    if rows < items:
        spectrum = _lift(_decompose(stacked @ transposed, precision * items / rows), stacked)
    else:
        spectrum = _decompose(transposed @ stacked, precision)
    drawn = _sample(spectrum, checked_size(k), draws, seed)
    return drawn if columns.ndim == 3 else drawn[0]


def log_probability(kernel: ArrayLike | Tensor, subset: Iterable[int]) -> float:
    r"""Return the exact $\log P(S) = \log\det L_S - \log e_k(\lambda)$ of a set of k items under the k-DPP.

    Args:
        kernel: L ``[N, N]``.
        subset: k different indices in any order.

    Returns:
        The natural logarithm; −inf for a set of probability zero (its items are linearly dependent).

    Raises:
        PrunescopeError: for a kernel that ``sample`` refuses, an index out of range or given twice.

    Example:
        >>> round(log_probability([[2.0, 0.0], [0.0, 1.0]], [0]), 4)
        -0.4055
    """
    matrix, precision = _checked_kernel(kernel)
    if matrix.ndim != 2:
        raise PrunescopeError("log_probability takes one kernel", expected="[N, N]", got=matrix.shape, where="dpp")
    items = _checked_subset(subset, len(matrix))
    spectrum = _decompose(matrix, precision)
    _refuse_above_rank(spectrum, items.size)
    if items.size == len(matrix):
        return 0.0  # the only set of its size; a difference of logarithms would leave rounding
    log_total = log_elementary_symmetric(spectrum.log_values[0], items.size)
    return _log_determinant(matrix[np.ix_(items, items)]) - float(log_total)


def inclusion_probabilities(kernel: ArrayLike | Tensor, k: int) -> Array:
    r"""Return the probability of each item to be in a set drawn by the k-DPP; they sum to k.

    $P(i \in S) = \sum_n V_{in}^2\, \lambda_n\, e_{k-1}(\lambda_{\setminus n}) / e_k(\lambda)$, where
    $e_{k-1}(\lambda_{\setminus n})$ is a sum of products of the polynomials before and after n, so that
    nothing is subtracted.

    Args:
        kernel: L ``[N, N]`` or ``[kernels, N, N]``.
        k: items in each set.

    Returns:
        Probabilities ``[N]`` or ``[kernels, N]``.

    Raises:
        PrunescopeError: as ``sample`` does.

    Source: Kulesza and Taskar, Determinantal Point Processes for Machine Learning (2012), section 5.2.

    Example:
        >>> inclusion_probabilities([[2.0, 0.0], [0.0, 1.0]], k=1).round(4).tolist()
        [0.6667, 0.3333]
    """
    matrices, precision = _checked_kernel(kernel)
    spectrum = _decompose(matrices, precision)
    size = checked_size(k)
    _refuse_above_rank(spectrum, size)
    chances = np.einsum("bin,bn->bi", spectrum.vectors**2, eigenvector_chances(spectrum.log_values, size))
    return np.asarray(chances if matrices.ndim == 3 else chances[0])


def _sample(spectrum: Spectrum, k: int, draws: int, seed: int | np.random.Generator) -> NDArray[np.int64]:
    """Return ``[kernels, draws, k]``; kernels and draws are walked together, a bounded group at a time."""
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 1:
        raise PrunescopeError("draws is not a count", expected="a whole number ≥ 1", got=draws, where="dpp")
    _refuse_above_rank(spectrum, k)
    rng = np.random.default_rng(seed)
    kernels, items, columns = spectrum.vectors.shape
    together, step = max(1, MEMORY // (columns * max(items, k, draws))), max(1, MEMORY // columns)
    sets = np.empty((kernels, draws, k), dtype=np.int64)
    for b in range(0, kernels, together):
        vectors = spectrum.vectors[b : b + together]
        chances = conditional_chances(spectrum.log_values[b : b + together], k)
        for d in range(0, draws, step):
            chosen = _choose_eigenvectors(chances, k, min(step, draws - d), rng)
            sets[b : b + together, d : d + step] = sample_projections(vectors, chosen, rng)
    return sets


def _choose_eigenvectors(chances: Array, k: int, draws: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return ``[b, draws, n]``: k eigenvectors of each draw, from the last eigenvalue to the first."""
    kernels, count = chances.shape[:2]
    uniform = rng.random((count, kernels, draws))
    chosen = np.empty((count, kernels, draws), dtype=bool)
    left = np.full((kernels, draws), k)
    which = np.arange(kernels)[:, None]
    for n in range(count - 1, -1, -1):
        chosen[n] = uniform[n] < chances[which, n, left]
        left -= chosen[n]
    return np.moveaxis(chosen, 0, -1)


def _decompose(matrices: Array, precision: float) -> Spectrum:
    """Return the eigenpairs of ``[..., N, N]`` as a batch; refuse what is clearly indefinite."""
    stacked = matrices.reshape(-1, *matrices.shape[-2:])
    values, vectors = np.linalg.eigh(stacked)
    largest = np.maximum(values[:, -1:], 0.0)
    tolerance = values.shape[-1] * precision
    if (values[:, :1] < -max(CLEARLY, tolerance) * largest).any():
        raise PrunescopeError(
            "the kernel is not positive semi-definite", got=f"smallest eigenvalue {values.min():.6g}", where="dpp"
        )
    positive = values > tolerance * largest
    return Spectrum(np.where(positive, np.log(np.where(positive, values, 1.0)), -np.inf), vectors)


def _lift(dual: Spectrum, features: Array) -> Spectrum:
    """Turn eigenvectors of ``F Fᵀ`` into those of ``Fᵀ F``; largest first, so that QR repairs only the small ones."""
    logs, left = dual.log_values[:, ::-1], dual.vectors[:, :, ::-1]
    scale = np.where(np.isfinite(logs), np.exp(-0.5 * np.where(np.isfinite(logs), logs, 0.0)), 0.0)
    lifted = np.swapaxes(features, -1, -2) @ left * scale[:, None, :]
    return Spectrum(logs, np.linalg.qr(lifted).Q)


def _log_determinant(matrix: Array) -> float:
    """Return log det of a positive semi-definite matrix; −inf when it is singular within rounding."""
    if len(matrix) == 0:
        return 0.0
    diagonal = matrix.diagonal()
    if (diagonal <= 0).any():
        return -np.inf
    scale = np.sqrt(diagonal)
    values = np.linalg.eigvalsh(matrix / scale[:, None] / scale)
    if values[0] <= len(matrix) * np.finfo(np.float64).eps:
        return -np.inf
    return float(np.log(values).sum() + np.log(diagonal).sum())


def _refuse_above_rank(spectrum: Spectrum, k: int) -> None:
    rank, which = int(spectrum.ranks.min()), int(spectrum.ranks.argmin())
    if k > rank:
        raise PrunescopeError(
            "k is above the rank of the kernel, so that no set of k items has a positive probability",
            expected=f"k ≤ rank {rank}",
            got=k,
            where=f"dpp, kernel {which}" if len(spectrum.ranks) > 1 else "dpp",
            remedy="A kernel of m examples has rank at most m: use more examples, or add a ridge ε I",
        )


def _checked_subset(subset: Iterable[int], count: int) -> NDArray[np.int64]:
    items = np.asarray(list(subset))
    whole = items.ndim == 1 and (items.size == 0 or items.dtype.kind in "iu")
    if not whole or np.unique(items).size != items.size or not ((items >= 0) & (items < count)).all():
        raise PrunescopeError(
            "not a set of items", expected=f"different indices in [0, {count})", got=items.tolist(), where="dpp"
        )
    return items.astype(np.int64)


def _checked_array(values: ArrayLike | Tensor, name: str) -> tuple[Array, float]:
    """Return float64 ``[N, M]`` or ``[batch, N, M]`` and the precision of the numbers as they were given."""
    try:
        given = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        array = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise PrunescopeError(f"{name} cannot be read as numbers", got=error, where="dpp") from None
    if array.ndim not in (2, 3) or array.size == 0:
        raise PrunescopeError(
            f"{name} of this shape are not known", expected="2 or 3 axes", got=array.shape, where="dpp"
        )
    if not np.isfinite(array).all():
        raise PrunescopeError(f"{name}: NaN or infinite entries", got=int((~np.isfinite(array)).sum()), where="dpp")
    epsilon = np.finfo(given.dtype).eps if given.dtype.kind == "f" else 0.0
    return array, max(float(epsilon), float(np.finfo(np.float64).eps))


def _checked_kernel(kernel: ArrayLike | Tensor) -> tuple[Array, float]:
    array, precision = _checked_array(kernel, "kernel")
    if array.shape[-1] != array.shape[-2]:
        raise PrunescopeError("the kernel is not square", expected="[N, N]", got=array.shape, where="dpp")
    transposed = np.swapaxes(array, -1, -2)
    tolerance = max(CLEARLY, array.shape[-1] * precision) * float(np.abs(array).max())
    if float(np.abs(array - transposed).max()) > tolerance:
        raise PrunescopeError(
            "the kernel is not symmetric", got=f"|L − Lᵀ| up to {np.abs(array - transposed).max():.6g}", where="dpp"
        )
    return 0.5 * (array + transposed), precision
