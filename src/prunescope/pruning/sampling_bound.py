"""How many weights of each filter half to sample, so that the proven errors of all halves sum to the least."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]

C, DELTA = 3.0, 1e-16  # the published constants
NOTHING = 1e-30  # an α below this is 0: no half with any response comes near


def sampling_error(samples: ArrayLike, alpha: ArrayLike) -> Array:
    r"""Return the error bound $\tfrac12(\sqrt{t^2 + 6t} + t)$, $t = \alpha / 3m$, of m samples of a filter half.

    $\alpha = 2 C S \ln(8 (P + 1) \kappa / \delta)$ with S the sum of the half's sensitivities, P patches and κ entries
    of a kernel: a Bernstein bound on the relative error of the half's response, up to probability δ. It is infinite
    without samples, and 0 for α = 0.

    Source: Baykal et al., SiPPing Neural Networks: Sensitivity-informed Provable Pruning of Neural Networks,
        SIAM Journal on Mathematics of Data Science 4 (2022).

    Example:
        >>> sampling_error([1.0, 4.0], [6.0, 6.0]).round(4).tolist()
        [3.0, 1.1514]
    """
    m, a = np.broadcast_arrays(np.asarray(samples, dtype=np.float64), np.asarray(alpha, dtype=np.float64))
    t = np.divide(a, 3 * m, out=np.where(a > 0, np.inf, 0.0), where=m > 0)
    return np.asarray(0.5 * (np.sqrt(t * (t + 6)) + t))


def allocate(alpha: ArrayLike, scale: ArrayLike, most: ArrayLike, total: int) -> NDArray[np.int64]:
    r"""Return the samples of each half that minimise $\sum_i c_i f(\alpha_i, m_i)$ with $\sum_i m_i$ = ``total``.

    f is :func:`sampling_error`, and $0 \le m_i \le$ ``most``. The real minimum of this convex program is where all
    slopes $c_i\, \partial f / \partial m_i$ inside the bounds are equal; their common value is found with SciPy's
    ``brentq``. Rounding keeps the total: down, then one more for the largest remainders (the earlier first).

    Args:
        alpha: α ≥ 0 ``[halves]``; a half with α = 0 gets nothing.
        scale: c > 0 ``[halves]``.
        most: whole numbers ``[halves]``.
        total: samples in all; when the halves hold fewer, all are taken.

    Raises:
        PrunescopeError: for a total below 0.
    """
    from scipy.optimize import brentq  # slow to import

    a, c = np.asarray(alpha, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    a = np.where(a < NOTHING, 0.0, a)
    limit = np.where(a > 0, np.asarray(most, dtype=np.float64), 0.0)
    if total < 0:
        raise PrunescopeError("samples below 0", expected="a total ≥ 0", got=total)
    if total == 0 or total >= limit.sum():
        return (limit * (total > 0)).astype(np.int64)
    log_scale = np.log(np.where(a > 0, 2 * a / (3 * c), 1.0))

    def samples(log_slope: float) -> Array:
        t = _ratio_at(log_scale + log_slope)
        return np.minimum(np.divide(a, 3 * t, out=np.zeros_like(a), where=a > 0), limit)

    slope = brentq(lambda log_slope: samples(log_slope).sum() - total, -400.0, 400.0, xtol=1e-13, rtol=1e-14)
    return _rounded(samples(float(slope)), limit, total)


def _ratio_at(log_slope: Array) -> Array:
    r"""Return t where $h(t) = t^2 ((t + 3) / \sqrt{t^2 + 6t} + 1)$ has this logarithm.

    The slope of log h in log t lies between 3/2 and 2, so that each step cuts the error to a quarter.
    """
    log_t = log_slope / 2
    for _ in range(30):
        t = np.exp(log_t)
        log_t = log_t - (2 * log_t + np.log((t + 3) / np.sqrt(t * (t + 6)) + 1) - log_slope) / 2
    return np.asarray(np.exp(log_t))


def _rounded(samples: Array, limit: Array, total: int) -> NDArray[np.int64]:
    whole = np.floor(samples)
    remainder = np.where(whole < limit, samples - whole, -1.0)
    first = np.argsort(-remainder, kind="stable")[: total - int(whole.sum())]
    whole[first] += 1
    return whole.astype(np.int64)
