"""Tests of a paired change against a margin: is the loss surely smaller than what is allowed?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import bootstrap_means


def margin_p_value(before: ArrayLike, after: ArrayLike, margin: float, *, exact: bool = False, seed: int = 0) -> float:
    """Return the one-sided p-value that a share fell by ``margin`` or more; small: it surely fell by less.

    With one network Tango's score test, which is McNemar's (without exactness) at margin 0. With several, discordant
    counts must not be pooled, since networks share examples; then the two-way bootstrap decides.

    Args:
        before: paired 0/1 outcomes ``[examples]`` or ``[networks, examples]``.
        after: the same shape.
        margin: allowed fall, a share in (−1, 1).
        exact: the two sides are identical by construction, so that nothing fell.
        seed: of the bootstrap.

    Raises:
        PrunescopeError: for shapes that differ or a margin outside (−1, 1).

    Example:
        >>> right = np.ones(1000)
        >>> round(margin_p_value(right, right, 0.005), 3)
        0.012
    """
    left, right = (np.atleast_2d(np.asarray(side, dtype=np.float64)) for side in (before, after))
    if left.shape != right.shape or not left.size:
        raise PrunescopeError("paired outcomes differ in shape", expected=left.shape, got=right.shape)
    if not -1 < margin < 1:
        raise PrunescopeError("margin out of range", expected="−1 < margin < 1, a share", got=margin)
    if exact:
        return float(margin <= 0)
    table = left - right
    if len(table) == 1:
        return score_p_value(int((table > 0).sum()), int((table < 0).sum()), table.size, margin)
    draws = bootstrap_means(table, seed=seed)
    return (1 + int((draws >= margin).sum())) / (1 + draws.size)


def score_p_value(lost: int, won: int, n: int, margin: float) -> float:
    r"""Return Tango's p-value $\Phi(z)$ of $p_\text{lost} - p_\text{won} \geq \Delta$ from discordant counts.

    $z = (b - c - n\Delta) / \sqrt{n (2 \tilde q + \Delta (1 - \Delta))}$ with b lost, c won, and $\tilde q$ the most
    likely probability of a win if the difference is $\Delta$.

    Source: Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17 (1998).

    Example:
        >>> round(score_p_value(lost=3, won=1, n=100, margin=0.1), 4)
        0.0058
    """
    linear = -lost - won + (2 * n - lost + won) * margin
    constant = -won * margin * (1 - margin)
    likely = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * likely + margin * (1 - margin))
    gap = lost - won - n * margin
    if variance <= 0:
        return float(gap >= 0)
    return float(ndtr(gap / math.sqrt(variance)))
