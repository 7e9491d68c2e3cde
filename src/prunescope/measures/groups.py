"""Scores of examples, told for forgotten examples against the others and for dense against pruned networks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import Interval, share_interval
from prunescope.measures.card import Value
from prunescope.measures.subject import Populations, Subject
from prunescope.measures.votes import Labels, modal_labels

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

PIE, NOT_PIE = "PIE", "not PIE"
NORMAL = 1.959964  # of a 95 % interval


class Separation(NamedTuple):
    """Chance that a flagged example scores higher than another, with its 95 % interval."""

    value: float
    low: float
    high: float


def separation(scores: ArrayLike, flags: ArrayLike) -> Separation:
    r"""Return the area under the ROC curve of ``scores`` as a sign of ``flags``: ½ where they tell nothing.

    $\mathrm{AUC} = P(s_+ > s_-) + \tfrac12 P(s_+ = s_-)$ over a flagged and another example; the interval is that of
    DeLong on the logit scale, which stays inside (0, 1).

    Args:
        scores: ``[examples]``.
        flags: bool ``[examples]``.

    Raises:
        PrunescopeError: when all or none are flagged.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).

    Example:
        >>> separation([1.0, 2.0, 3.0, 4.0], [False, True, False, True]).value
        0.75
    """
    from scipy.stats import rankdata  # slow to import

    s, flagged = np.asarray(scores, dtype=np.float64), np.asarray(flags, dtype=bool)
    m, n = int(flagged.sum()), int((~flagged).sum())
    if not m or not n:
        raise PrunescopeError("a separation needs flagged examples and others", got=f"{m} flagged, {n} others")
    ranks = rankdata(s)
    above = (ranks[flagged] - rankdata(s[flagged])) / n
    below = 1 - (ranks[~flagged] - rankdata(s[~flagged])) / m
    value = float(above.mean())
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    inside = min(max(value, 0.5 / (m * n)), 1 - 0.5 / (m * n))
    half = NORMAL * np.sqrt(max(variance, 1 / (12 * m * n))) / (inside * (1 - inside))
    low, high = (1 / (1 + np.exp(-(np.log(inside / (1 - inside)) + side * half))) for side in (-1, 1))
    return Separation(value, min(float(low), value), max(float(high), value))


def forgotten(shown: Populations) -> Flags:
    """Return which examples are pruning-identified exemplars, ties broken by summed probability as in ``pie``."""
    sides = zip(shown.predictions, (shown.dense, shown.pruned), strict=True)
    before, after = (_elected(votes, subjects) for votes, subjects in sides)
    return np.asarray(before != after)


def _elected(votes: Labels, subjects: tuple[Subject, ...]) -> Labels:
    """Return the modal labels; probabilities are computed where a vote is tied."""
    modal = modal_labels(votes)
    tied = np.flatnonzero(modal.tied)
    if len(tied):
        summed = sum(torch.softmax(subject.logits[tied].double(), dim=1) for subject in subjects)
        assert isinstance(summed, torch.Tensor)
        modal.label[tied] = modal_labels(votes[:, tied], summed.numpy()).label
    return modal.label


def two_way_interval(values: ArrayLike, *, low: float = -math.inf, high: float = math.inf) -> Interval:
    r"""Return the normal 95 % interval of the mean of ``[networks, examples]``, cut to ``[low, high]``.

    Its variance is that of the bootstrap over networks and examples (``bootstrap_interval``), in closed form:
    $V_r / J + V_c / N + V_e / (J N)$ with the variances of the means of networks, of the means of examples, and of what
    is left. A thousand times quicker; for means of many examples that are not nearly constant.

    Raises:
        PrunescopeError: for an empty or non-finite input.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007), section 3.

    Example:
        >>> two_way_interval([[1.0, 0.0, 1.0, 0.0]], low=0)  # doctest: +ELLIPSIS
        Interval(low=0.0100..., high=0.9899...)
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if not table.size or not np.isfinite(table).all():
        raise PrunescopeError(
            "an interval needs finite values", expected="[networks, examples]", where="two_way_interval"
        )
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), float(table.mean())
    rest = max(0.0, float(table.var() - rows.var() - columns.var()))
    variance = rows.var() / len(rows) + columns.var() / len(columns) + rest / table.size
    half = NORMAL * math.sqrt(variance)
    return Interval(min(max(low, mean - half), mean), max(min(high, mean + half), mean))


def group_means(quantity: str, table: ArrayLike, flags: Flags) -> list[Value]:
    """Return the mean score over networks and examples: of all, of the flagged and of the others, where there are any.

    Args:
        quantity: name of the values, none of them negative.
        table: scores ``[networks, examples]``.
        flags: bool ``[examples]``.
    """
    scores, values = np.asarray(table, dtype=np.float64), []
    for item, part in (("", np.ones_like(flags)), (PIE, flags), (NOT_PIE, ~flags)):
        if part.any():
            chosen = scores if part.all() else scores[:, part]
            interval = two_way_interval(chosen, low=0)
            values.append(Value.of(quantity, float(chosen.mean()), int(part.sum()), interval=interval, item=item))
    return values


def mean_share(quantity: str, table: ArrayLike, item: str = "") -> Value:
    """Return the share of ones in 0/1 ``[networks, examples]``; where all are alike the interval is the exact one."""
    ones = np.asarray(table, dtype=np.float64)
    alike = ones.min() == ones.max()
    interval = share_interval(ones) if alike else two_way_interval(ones, low=0, high=1)
    return Value.of(quantity, float(ones.mean()), ones.shape[1], interval=interval, item=item)


def separated(quantity: str, table: ArrayLike, flags: Flags) -> list[Value]:
    """Return how well the mean score over networks tells flagged examples from the others, if there are both."""
    if flags.all() or not flags.any():
        return []
    found = separation(np.asarray(table, dtype=np.float64).mean(axis=0), flags)
    return [Value.of(quantity, found.value, len(flags), interval=(found.low, found.high))]
