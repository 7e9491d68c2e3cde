"""Intervals and tests: bootstrap over examples and networks, paired McNemar, Benjamini-Hochberg, halves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, stdtrit

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A confidence interval; ``low ≤ high``."""

    low: float
    high: float


class PairedChange(NamedTuple):
    """Mean of before − after, its 95 % interval, and the p-value that the two break even."""

    value: float
    interval: Interval
    p: float


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
    table = _finite_table(values)
    return percentile_interval(bootstrap_means(table, resamples=resamples, seed=seed), level)


def bootstrap_means(table: Array, *, resamples: int = 1000, seed: int = 0) -> Array:
    """Return ``[resamples]`` bootstrap means of ``[networks, examples]``, resampled on both axes."""
    groups = np.zeros(table.shape[1], dtype=np.int64)
    return grouped_bootstrap_means(table, groups, resamples=resamples, seed=seed)[:, 0]


def grouped_bootstrap_means(table: Array, groups: NDArray[np.int64], *, resamples: int = 1000, seed: int = 0) -> Array:
    """Return ``[resamples, groups]`` bootstrap means of ``[networks, examples]`` in each group of examples.

    The networks of one resample are the same in all groups; examples are resampled inside their group, so no
    group is ever empty. Columns of the result follow the sorted distinct values of ``groups``.
    """
    rng = np.random.default_rng(seed)
    rows = bootstrap_weights(len(table), resamples, rng)
    return np.stack([_resampled(table[:, groups == group], rows, rng) for group in np.unique(groups)], axis=1)


def _resampled(table: Array, rows: Array, rng: np.random.Generator) -> Array:
    """Contract networks with ``rows`` and examples with fresh weights; equal examples are drawn together."""
    patterns, counts = np.unique(table, axis=1, return_counts=True)
    examples, means = table.shape[1], np.empty(len(rows))
    chunk = max(1, 4_000_000 // len(counts))
    for start in range(0, len(rows), chunk):
        part = slice(start, min(start + chunk, len(rows)))
        columns = rng.multinomial(examples, counts / examples, size=part.stop - part.start) / examples
        means[part] = np.einsum("bn,bn->b", rows[part], columns @ patterns.T)
    return means


def _finite_table(values: ArrayLike) -> Array:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.size == 0 or table.ndim != 2 or not np.isfinite(table).all():
        raise PrunescopeError("a bootstrap needs finite values", expected="[examples] or [networks, examples]")
    return table


def share_interval(values: ArrayLike, *, seed: int = 0) -> Interval:
    """Return the 95 % interval of a share from 0/1 ``values`` ``[examples]`` or ``[networks, examples]``.

    The bootstrap interval. Where all values are equal it would have no width; then the exact binomial interval
    over all of them is returned, about 3.7/size wide.

    Source: Clopper and Pearson, Biometrika 26 (1934); Hanley and Lippman-Hand, JAMA 249 (1983).

    Example:
        >>> share_interval([1, 1, 1, 1])  # doctest: +ELLIPSIS
        Interval(low=0.397..., high=1.0)
    """
    table = _finite_table(values)
    if table.min() < table.max():
        return bootstrap_interval(table, seed=seed)
    unseen = _unseen_share(table.size)
    return Interval(1.0 - unseen, 1.0) if table.flat[0] else Interval(0.0, unseen)


def _unseen_share(trials: int) -> float:
    """Return the largest share that fits (95 %) with never having been seen: ``1 − 0.025^(1/trials)``."""
    return float(-np.expm1(np.log(0.025) / trials))


def paired_change(before: ArrayLike, after: ArrayLike, *, exact: bool = False, seed: int = 0) -> PairedChange:
    """Return the change of a share on paired 0/1 outcomes, before − after, with interval and p-value.

    The interval is the two-way bootstrap of the differences. Without any difference it has no width; then the
    bound for events never seen is put on both sides, unless ``exact`` says that the two sides are one network.

    The p-value: with one network the exact McNemar test. With several, discordant counts must not be pooled,
    since networks share examples; the two-way bootstrap test is used instead, which agrees with the interval.

    Args:
        before: outcomes ``[examples]`` or ``[networks, examples]``.
        after: the same shape, paired entry by entry.
        exact: the two sides are identical by construction.
        seed: of the bootstrap.

    Example:
        >>> change = paired_change([1, 1, 1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0, 1])
        >>> change.value, change.p
        (0.75, 0.03125)
    """
    left, right = _finite_table(before), _finite_table(after)
    if left.shape != right.shape:
        raise PrunescopeError("paired outcomes differ in shape", expected=left.shape, got=right.shape)
    table = left - right
    lost, won = int((table > 0).sum()), int((table < 0).sum())
    if not lost + won:
        unseen = 0.0 if exact else _unseen_share(table.size)
        return PairedChange(0.0, Interval(0.0 - unseen, unseen), 1.0)
    draws = bootstrap_means(table, seed=seed)
    p = mcnemar(lost, won) if len(table) == 1 else bootstrap_p_value(draws)
    return PairedChange(float(table.mean()), percentile_interval(draws), p)


def bootstrap_p_value(draws: ArrayLike) -> float:
    """Return the two-sided p-value of zero under bootstrap ``draws``: twice the smaller tail, at least 2/(B + 1).

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 4.4.
    """
    values = np.asarray(draws, dtype=np.float64)
    tail = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2.0 * (1 + tail) / (1 + values.size))


def percentile_interval(draws: ArrayLike, level: float = 0.95) -> Interval:
    """Return the central ``level`` range of bootstrap or permutation draws."""
    if not 0 < level < 1:
        raise PrunescopeError("confidence level out of range", expected="0 < level < 1", got=level)
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def centred_interval(draws: ArrayLike, value: float, *, low: float, high: float) -> Interval:
    """Return the percentile interval of ``draws`` moved by ``value − mean(draws)`` and cut to ``[low, high]``.

    For statistics that resampling itself shifts (absolute values, modal labels): the bootstrap world repeats the
    finite-sample bias that ``value`` has already, and without the move it would be counted twice.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 10.
    """
    values = np.asarray(draws, dtype=np.float64)
    lower, upper = percentile_interval(values - values.mean() + value)
    return Interval(max(low, min(lower, value)), min(high, max(upper, value)))


def simultaneous_interval(draws: ArrayLike, values: ArrayLike, *, level: float = 0.95) -> Interval:
    r"""Return an interval of $\max_c \theta_c$ that allows for choosing the maximum after looking.

    ``[max θ̂ − q⁺, max θ̂ + q⁻]``, q⁺ and q⁻ the upper quantiles of $\max_c(\theta^*_c - \hat\theta_c)$ and of
    $\max_c(\hat\theta_c - \theta^*_c)$: with the stated probability all $\theta_c$ at once lie inside such bands,
    so their maximum does. The percentile interval of the maximum would be too high, as the maximum itself is.

    Args:
        draws: bootstrap draws ``[resamples, items]``.
        values: estimates ``[items]``.
        level: coverage.

    Source: Westfall and Young, Resampling-Based Multiple Testing (1993), section 2.
    """
    deviations = np.asarray(draws, dtype=np.float64) - np.asarray(values, dtype=np.float64)
    top, tail = float(np.max(values)), (1 + level) / 2
    over, under = np.quantile(deviations.max(axis=1), tail), np.quantile((-deviations).max(axis=1), tail)
    return Interval(top - max(0.0, float(over)), top + max(0.0, float(under)))


def halves(count: int, *, limit: int = 126, seed: int = 0) -> NDArray[np.bool_]:
    """Return splits of ``count`` networks in two halves, bool ``[splits, count]``; True is the first half.

    All splits when there are at most ``limit``, else ``limit`` random ones. With an odd count the first half
    is one network smaller.

    Example:
        >>> halves(4).astype(int).tolist()
        [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    """
    if count < 2:
        raise PrunescopeError("halves need at least two networks", got=count)
    size = count // 2
    anchored = count % 2 == 0
    if comb(count, size) // (1 + anchored) <= limit:
        rest = combinations(range(anchored, count), size - anchored)
        chosen = [(0, *part) if anchored else part for part in rest]
    else:
        rng = np.random.default_rng(seed)
        chosen = [tuple(rng.permutation(count)[:size]) for _ in range(limit)]
    split = np.zeros((len(chosen), count), dtype=bool)
    split[np.arange(len(chosen))[:, None], np.array(chosen)] = True
    return split


def half_differences(values: ArrayLike) -> Array:
    """Return mean of one half − mean of the other over all splits, both signs: ``[2 · splits, …]``.

    ``values`` is ``[networks, …]``: what a population of networks differs from itself by.
    """
    table = np.asarray(values, dtype=np.float64)
    first = halves(len(table))
    inside = first / first.sum(axis=1, keepdims=True)
    outside = ~first / (~first).sum(axis=1, keepdims=True)
    difference = np.tensordot(inside - outside, table, axes=1)
    return np.concatenate([difference, -difference])


def spread_interval(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Return the Student-t interval of the mean of a few independent values (one per seed)."""
    if len(values) < 2:
        raise PrunescopeError("a spread needs at least two seeds", got=len(values))
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return Interval(mean - half, mean + half)


def spread_within(values: Sequence[float], low: float | None, high: float | None) -> Interval | None:
    """Return the spread over seeds inside the possible range of the quantity; None for a single seed."""
    if len(values) < 2:
        return None
    interval = spread_interval(values)
    return Interval(
        interval.low if low is None else max(low, interval.low),
        interval.high if high is None else min(high, interval.high),
    )


def mcnemar(lost: int, won: int) -> float:
    r"""Return the exact two-sided p-value $2 P(X \leq \min(b, c))$, at most 1, that paired predictions break even.

    ``lost`` counts examples right before and wrong after, ``won`` the reverse; under the null hypothesis
    ``lost ~ Binomial(lost + won, ½)``. Without any discordant pair the p-value is 1.

    Example:
        >>> round(mcnemar(lost=9, won=1), 4)
        0.0215
    """
    if lost < 0 or won < 0:
        raise PrunescopeError("counts of discordant pairs are negative", got=(lost, won))
    return min(1.0, 2.0 * float(bdtr(min(lost, won), lost + won, 0.5)))


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    r"""Return adjusted p-values $\min_{j \geq i} (m / j) p_{(j)}$ that control the false discovery rate.

    Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).

    Example:
        >>> [round(float(p), 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
        [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)
