"""Elementary symmetric polynomials of eigenvalues in the log domain, and the chances of eigenvectors they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


def log_elementary_symmetric(log_eigenvalues: ArrayLike, k: int) -> Array:
    r"""Return $\log e_k(\lambda)$, $e_k = \sum_{|S|=k} \prod_{n \in S} \lambda_n$, from the logarithms of λ ≥ 0.

    The recursion $e_l(\lambda_{1..n}) = e_l(\lambda_{1..n-1}) + \lambda_n e_{l-1}(\lambda_{1..n-1})$ in the log
    domain stays finite where the polynomials themselves span hundreds of decades.

    Args:
        log_eigenvalues: ``[..., n]``; −inf stands for the eigenvalue 0.
        k: degree.

    Returns:
        ``[...]``; −inf where fewer than k eigenvalues are positive.

    Raises:
        PrunescopeError: for NaN, +inf, or k that is not a whole number ≥ 0.

    Example:
        >>> float(np.exp(log_elementary_symmetric(np.log([1.0, 2.0, 3.0]), 2)).round(6))
        11.0
    """
    logs = np.asarray(log_eigenvalues, dtype=np.float64)
    if logs.ndim == 0 or np.isnan(logs).any() or (logs == np.inf).any():
        raise PrunescopeError("logarithms of eigenvalues contain NaN or +inf", expected="[..., n]", where="dpp")
    size = min(checked_size(k), logs.shape[-1] + 1)
    return np.asarray(_log_table(logs, size)[..., -1, size])


def eigenvector_chances(logs: Array, k: int) -> Array:
    """Return the probability ``[b, n]`` of each eigenvector to be among the k of a draw."""
    if k == 0:
        return np.zeros_like(logs)
    forward = _log_table(logs, k)
    backward = _log_table(logs[:, ::-1], k)[:, ::-1, ::-1]
    without = logsumexp(forward[:, :-1, :k] + backward[:, 1:, 1:], axis=-1)
    return np.asarray(np.exp(logs + without - forward[:, -1, k, None]))


def conditional_chances(logs: Array, k: int) -> Array:
    """Return ``[b, n, k + 1]``: the chance of eigenvector n when l more are to come from the first n."""
    table = _log_table(logs, k)
    chances = np.zeros((*logs.shape, k + 1))
    with np.errstate(invalid="ignore"):  # −inf − (−inf): states that no draw can reach
        np.exp(logs[..., None] + table[:, :-1, :-1] - table[:, 1:, 1:], out=chances[..., 1:])
    return np.nan_to_num(chances, copy=False, nan=0.0)


def checked_size(k: int) -> int:
    """Return k if it counts items, else refuse."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 0:
        raise PrunescopeError("k is not a count of items", expected="a whole number ≥ 0", got=k, where="dpp")
    return int(k)


def _log_table(logs: Array, k: int) -> Array:
    """Return ``log e_l(λ_1..λ_n)`` as ``[..., n + 1, k + 1]``."""
    table = np.full((*logs.shape[:-1], logs.shape[-1] + 1, k + 1), -np.inf)
    table[..., 0] = 0.0
    for n in range(logs.shape[-1]):
        before = table[..., n, :]
        table[..., n + 1, 1:] = np.logaddexp(before[..., 1:], before[..., :-1] + logs[..., n, None])
    return table
