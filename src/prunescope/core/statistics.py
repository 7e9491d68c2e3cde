"""Intervals and tests: bootstrap over examples and networks, paired McNemar, Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A confidence interval; ``low ≤ high``."""

    low: float
    high: float


def bootstrap_weights(n: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return multinomial resampling weights ``[resamples, n]``; each row sums to 1."""
    return rng.multinomial(n, np.full(n, 1.0 / n), size=resamples) / n


def bootstrap_interval(values: ArrayLike, *, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> Interval:
    r"""Return the percentile bootstrap interval of the mean.

    One axis: examples are resampled. Two axes ``[networks, examples]``: both are resampled independently
    (the pigeonhole bootstrap, conservative), because the examples are shared by all networks. With one
    network only the examples are.

    Args:
        values: ``[examples]`` or ``[networks, examples]``.
        level: coverage, in (0, 1).
        resamples: number of bootstrap draws.
        seed: of the draws.

    Raises:
        PrunescopeError: for an empty or non-finite input.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007).

    Example:
        >>> bootstrap_interval([[1.0, 1.0, 0.0, 1.0]], seed=1)
        Interval(low=0.25, high=1.0)
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.size == 0 or table.ndim != 2 or not np.isfinite(table).all():
        raise PrunescopeError("a bootstrap needs finite values", expected="[examples] or [networks, examples]")
    return percentile_interval(bootstrap_means(table, resamples=resamples, seed=seed), level)


def bootstrap_means(table: Array, *, resamples: int = 1000, seed: int = 0) -> Array:
    """Return ``[resamples]`` bootstrap means of ``[networks, examples]``, resampled on both axes."""
    rng = np.random.default_rng(seed)
    networks, examples = table.shape
    rows = bootstrap_weights(networks, resamples, rng)
    means = np.empty(resamples)
    chunk = max(1, 4_000_000 // examples)
    for start in range(0, resamples, chunk):
        part = slice(start, min(start + chunk, resamples))
        columns = bootstrap_weights(examples, part.stop - part.start, rng)
        means[part] = np.einsum("bn,bn->b", rows[part], columns @ table.T)
    return means


def percentile_interval(draws: ArrayLike, level: float = 0.95) -> Interval:
    """Return the central ``level`` range of bootstrap or permutation draws."""
    if not 0 < level < 1:
        raise PrunescopeError("confidence level out of range", expected="0 < level < 1", got=level)
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def spread_interval(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Return the Student-t interval of the mean of a few independent values (one per seed)."""
    if len(values) < 2:
        raise PrunescopeError("a spread needs at least two seeds", got=len(values))
    mean, error = float(np.mean(values)), float(stats.sem(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return Interval(mean - half, mean + half)


def mcnemar(lost: int, won: int) -> float:
    """Return the exact two-sided p-value that paired predictions break even.

    ``lost`` counts examples right before and wrong after, ``won`` the reverse; under the null hypothesis
    ``lost ~ Binomial(lost + won, ½)``. Without any discordant pair the p-value is 1.

    Example:
        >>> round(mcnemar(lost=9, won=1), 4)
        0.0215
    """
    if lost < 0 or won < 0:
        raise PrunescopeError("counts of discordant pairs are negative", got=(lost, won))
    return 1.0 if lost + won == 0 else float(stats.binomtest(lost, lost + won, 0.5).pvalue)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Return adjusted p-values that control the false discovery rate.

    Example:
        >>> [round(float(p), 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
        [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return p
    return np.asarray(stats.false_discovery_control(p, method="bh"), dtype=np.float64)
