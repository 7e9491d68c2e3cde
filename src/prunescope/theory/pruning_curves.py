"""Generalisation error of a converged, over-parameterised student after pruning, in closed form.

The student has z copies of each of M orthogonal teacher nodes (R = 1 inside a block, 0 outside) and second-layer
weights v*/z, so that it makes no error before pruning. Nothing is retrained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from prunescope.core.errors import PrunescopeError


class NodeErrors(NamedTuple):
    """Errors of node pruning at a given number of nodes: best split over blocks, worst, and mean of random ones."""

    best: float
    worst: float
    mean: float


def random_edge_error(c: float, z: int, m: int, v_star: float) -> float:
    r"""Return the error when each first-layer edge is kept with probability c.

    $\epsilon(c) = \frac{M v^{*2}}{\pi}\Big[\frac1z \arcsin\frac{c}{1+c} + \big(1 - \frac1z\big)
    \arcsin\frac{c^2}{1+c} + \frac\pi6 - 2 \arcsin\frac{c}{\sqrt{2 + 2c}}\Big]$

    Args:
        c: fraction of edges kept, in [0, 1].
        z: students per teacher node.
        m: teacher nodes.
        v_star: second-layer weight of every teacher node.

    Raises:
        PrunescopeError: for c outside [0, 1], z or m that count nothing, v* that is not finite.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> round(random_edge_error(83 / 500, z=3, m=2, v_star=4.0), 3)
        3.76
    """
    if not 0 <= c <= 1:
        raise PrunescopeError("fraction of edges kept out of range", expected="0 ≤ c ≤ 1", got=c)
    _refuse_counts(z=z, m=m)
    inside = math.asin(c / (1 + c)) / z + (1 - 1 / z) * math.asin(c**2 / (1 + c))
    across = math.pi / 6 - 2 * math.asin(c / math.sqrt(2 + 2 * c))
    return max(0.0, m * _square(v_star) / math.pi * (inside + across))


def node_error(kept: Sequence[int], z: int, v_star: float) -> float:
    r"""Return the error when $n_m$ of the z nodes of each block are left: $\frac{v^{*2}}{6} \sum_m (1 - n_m/z)^2$.

    Args:
        kept: nodes left in the block of each teacher node ``[M]``, each from 0 to z.
        z: students per teacher node.
        v_star: second-layer weight of every teacher node.

    Raises:
        PrunescopeError: for a count outside [0, z], no block, z < 1, or v* that is not finite.

    Source: from the setting of Acharyya et al., UAI 2021; the blocks are orthogonal and do not mix.

    Example:
        >>> round(node_error([1, 0], z=3, v_star=4.0), 3)
        3.852
    """
    _refuse_counts(z=z, m=len(kept))
    if not all(_is_count(n) and n <= z for n in kept):
        raise PrunescopeError("nodes left in a block out of range", expected=f"whole numbers 0 to {z}", got=list(kept))
    return _square(v_star) / 6 * sum((1 - n / z) ** 2 for n in kept)


def node_error_range(nodes: int, z: int, m: int, v_star: float) -> NodeErrors:
    r"""Return the best, worst and mean error when ``nodes`` of all zM student nodes are left.

    Best: spread over the blocks as evenly as can be. Worst: whole blocks kept, the others emptied. Mean over
    uniformly random choices, where $n_m$ is hypergeometric:
    $\frac{M v^{*2}}{6}\Big[\big(1 - \frac{n}{zM}\big)^2 + \frac{\mathrm{Var}\,n_m}{z^2}\Big]$.

    Args:
        nodes: n, in [0, zM].
        z: students per teacher node.
        m: M, teacher nodes.
        v_star: second-layer weight of every teacher node.

    Raises:
        PrunescopeError: for counts out of range, or v* that is not finite.

    Example:
        >>> [round(error, 3) for error in node_error_range(3, z=3, m=2, v_star=4.0)]
        [1.481, 2.667, 1.6]
    """
    _refuse_counts(z=z, m=m)
    total = z * m
    if not _is_count(nodes) or nodes > total:
        raise PrunescopeError("nodes left out of range", expected=f"a whole number 0 to {total}", got=nodes)
    even = [nodes // m + (block < nodes % m) for block in range(m)]
    packed = [min(z, max(0, nodes - z * block)) for block in range(m)]
    variance = nodes / m * (1 - 1 / m) * (total - nodes) / (total - 1) if total > 1 else 0.0
    mean = m * _square(v_star) / 6 * ((1 - nodes / total) ** 2 + variance / z**2)
    return NodeErrors(node_error(even, z, v_star), node_error(packed, z, v_star), mean)


def _refuse_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not _is_count(count) or count < 1:
            raise PrunescopeError(f"{name} counts no nodes", expected="a whole number ≥ 1", got=count)


def _is_count(value: float) -> bool:
    return math.isfinite(value) and value >= 0 and value == int(value)


def _square(v_star: float) -> float:
    if not math.isfinite(v_star):
        raise PrunescopeError("second-layer weight of the teacher is not finite", got=v_star)
    return float(v_star) ** 2
