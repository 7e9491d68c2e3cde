"""Expected generalisation error of given students, converged or not, after random pruning without retraining."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.theory.generalization import angles, generalization_errors, joint_covariance, signed_amplitudes

Array = NDArray[np.float64]


def expected_edge_errors(
    q: ArrayLike, r: ArrayLike, t: ArrayLike, v: ArrayLike, v_star: ArrayLike, keep: float, noise: float = 0.0
) -> Array:
    r"""Return the error at the expected order parameters when each edge is kept with probability c.

    $E\,Q_{ii} = c\,Q_{ii}$, $E\,Q_{ik} = c^2 Q_{ik}$, $E\,R_{in} = c\,R_{in}$. The order parameters of single masks
    spread around these by about $1/\sqrt N$, which moves the expected error by about 1/N.

    Args:
        q: before pruning ``[..., K, K]``.
        r: before pruning ``[..., K, M]``.
        t: ``[..., M, M]``.
        v: second-layer weights of the students ``[..., K]``.
        v_star: those of the teacher ``[..., M]``.
        keep: c, in [0, 1].
        noise: σ, standard deviation of the label noise.

    Returns:
        ``[...]``

    Raises:
        PrunescopeError: as ``generalization_errors`` does, and for c outside [0, 1].

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3)))
        >>> copies = np.kron(np.eye(2), np.ones((3, 1)))
        >>> float(expected_edge_errors(block, copies, np.eye(2), np.full(6, 4 / 3), [4, 4], 83 / 500).round(3))
        3.76
    """
    if not 0 <= keep <= 1:
        raise PrunescopeError("probability to keep an edge out of range", expected="0 ≤ c ≤ 1", got=keep)
    whole = np.asarray(q, dtype=np.float64)
    scale = np.where(np.eye(whole.shape[-1], dtype=bool), keep, keep**2)
    return generalization_errors(whole * scale, np.asarray(r) * keep, t, v, v_star, noise)


def expected_node_errors(
    q: ArrayLike, r: ArrayLike, t: ArrayLike, v: ArrayLike, v_star: ArrayLike, kept: int, noise: float = 0.0
) -> Array:
    r"""Return the error, exactly, averaged over all choices of ``kept`` of the K nodes.

    The error is quadratic in the second-layer weights, and a removed node loses its own: $E\,v_i v_k$ becomes
    $\frac nK v_i^2$ on the diagonal, $\frac{n(n-1)}{K(K-1)} v_i v_k$ off it, and $E\,v_i$ becomes $\frac nK v_i$.

    Args:
        q: before pruning ``[..., K, K]``.
        r: before pruning ``[..., K, M]``.
        t: ``[..., M, M]``.
        v: second-layer weights of the students ``[..., K]``.
        v_star: those of the teacher ``[..., M]``.
        kept: n, from 0 to K.
        noise: σ, standard deviation of the label noise.

    Returns:
        ``[...]``

    Raises:
        PrunescopeError: as ``generalization_errors`` does, and for n outside [0, K].

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3)))
        >>> copies = np.kron(np.eye(2), np.ones((3, 1)))
        >>> float(expected_node_errors(block, copies, np.eye(2), np.full(6, 4 / 3), [4, 4], 3).round(3))
        1.6
    """
    covariance = joint_covariance(q, r, t)
    nodes = np.shape(q)[-1]
    if isinstance(kept, bool) or not isinstance(kept, (int, np.integer)) or not 0 <= kept <= nodes:
        raise PrunescopeError("nodes kept out of range", expected=f"a whole number from 0 to {nodes}", got=kept)
    amplitudes = signed_amplitudes(v, v_star, covariance.shape[-1], nodes)
    one = kept / nodes
    survive = np.ones(covariance.shape[-2:])
    survive[:nodes], survive[:, :nodes] = one, one
    survive[:nodes, :nodes] = np.where(np.eye(nodes, dtype=bool), one, one * (kept - 1) / max(1, nodes - 1))
    products = amplitudes[..., :, None] * amplitudes[..., None, :] * survive
    error = (angles(covariance) * products).sum(axis=(-2, -1)) / np.pi
    return np.asarray(np.maximum(error, 0.0) + 0.5 * noise**2)
