"""Exact generalisation error of a two-layer student of erf units against a two-layer teacher."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.theory.order_parameters import finite_array

Array = NDArray[np.float64]

TOLERANCE = 1e-6  # relative negative eigenvalue or asymmetry that float32 weights explain


def generalization_error(
    q: ArrayLike, r: ArrayLike, t: ArrayLike, v: ArrayLike, v_star: ArrayLike, noise: float = 0.0
) -> float:
    r"""Return $\epsilon_g = \frac12 E(\hat y - y)^2$ for $\hat y = \sum_i v_i\, \mathrm{erf}(\lambda_i/\sqrt2)$.

    $\epsilon_g = \frac1\pi \Big[\sum_{ik} v_i v_k \arcsin\frac{Q_{ik}}{\sqrt{(1+Q_{ii})(1+Q_{kk})}} + \sum_{nm}
    v^*_n v^*_m \arcsin\frac{T_{nm}}{\sqrt{(1+T_{nn})(1+T_{mm})}} - 2 \sum_{in} v_i v^*_n
    \arcsin\frac{R_{in}}{\sqrt{(1+Q_{ii})(1+T_{nn})}}\Big] + \frac{\sigma^2}2$

    Args:
        q: overlaps of students ``[K, K]``.
        r: overlaps of students with teachers ``[K, M]``.
        t: overlaps of teachers ``[M, M]``.
        v: second-layer weights of the student ``[K]``.
        v_star: second-layer weights of the teacher ``[M]``.
        noise: σ, standard deviation of the label noise.

    Raises:
        PrunescopeError: for shapes that do not fit, NaN, σ < 0, a negative diagonal, Q or T not symmetric, or
            overlaps that no weights have: the joint matrix of Q, R, T has an eigenvalue below −10⁻⁶ of its
            largest.

    Source: Saad and Solla, Physical Review E 52 (1995); Goldt et al., Dynamics of stochastic gradient descent
        for two-layer neural networks in the teacher-student setup, NeurIPS 2019.

    Example:
        >>> round(generalization_error([[1.0]], [[0.0]], [[1.0]], [1.0], [1.0], noise=0.5), 4)
        0.4583
    """
    errors = generalization_errors(q, r, t, v, v_star, noise)
    if errors.ndim:
        raise PrunescopeError(
            "more than one network", expected="q [K, K]", got=np.shape(q), remedy="Use generalization_errors"
        )
    return float(errors)


def generalization_errors(
    q: ArrayLike, r: ArrayLike, t: ArrayLike, v: ArrayLike, v_star: ArrayLike, noise: float = 0.0
) -> Array:
    """Return the generalisation errors of many networks: every argument may have leading axes, which broadcast.

    Args:
        q: ``[..., K, K]``.
        r: ``[..., K, M]``.
        t: ``[..., M, M]``.
        v: ``[..., K]``.
        v_star: ``[..., M]``.
        noise: σ, standard deviation of the label noise.

    Returns:
        ``[...]``

    Raises:
        PrunescopeError: as ``generalization_error`` does, if any network gives reason.

    Example:
        >>> generalization_errors(np.ones((3, 1, 1)), [[1.0]], [[1.0]], [[0.0], [0.5], [1.0]], [1.0]).round(4).tolist()
        [0.1667, 0.0417, 0.0]
    """
    if not (math.isfinite(noise) and noise >= 0):
        raise PrunescopeError("label noise out of range", expected="a standard deviation σ ≥ 0", got=noise)
    covariance = joint_covariance(q, r, t)
    amplitudes = signed_amplitudes(v, v_star, covariance.shape[-1], np.shape(q)[-1])
    return residual_error(covariance, amplitudes) + 0.5 * noise**2


def residual_error(covariance: Array, amplitudes: Array) -> Array:
    r"""Return ½ E(Σ_c a_c g(x_c))² for x ~ N(0, C); a = (v, −v*) makes it the generalisation error without noise.

    Args:
        covariance: C ``[..., P, P]``.
        amplitudes: a ``[..., P]``.
    """
    error = np.einsum("...c,...cd,...d->...", amplitudes, angles(covariance), amplitudes) / np.pi
    return np.asarray(np.maximum(error, 0.0))


def angles(covariance: Array) -> Array:
    r"""Return $\arcsin\frac{C_{cd}}{\sqrt{(1+C_{cc})(1+C_{dd})}} = \frac\pi2 E[g(x_c)\, g(x_d)]$ ``[..., P, P]``."""
    diagonal = 1.0 + np.diagonal(covariance, axis1=-2, axis2=-1)
    scale = np.sqrt(diagonal[..., :, None] * diagonal[..., None, :])
    return np.asarray(np.arcsin(np.clip(covariance / scale, -1.0, 1.0)))


def joint_covariance(q: ArrayLike, r: ArrayLike, t: ArrayLike) -> Array:
    """Return the checked covariance ``[..., K + M, K + M]`` of all pre-activations, students first."""
    students = finite_array(q, "q", least_axes=2)
    mixed = finite_array(r, "r", least_axes=2)
    teachers = finite_array(t, "t", least_axes=2)
    k, m = mixed.shape[-2:]
    if students.shape[-2:] != (k, k) or teachers.shape[-2:] != (m, m):
        raise PrunescopeError(
            "order parameters do not fit together",
            expected="q [K, K], r [K, M] (students, teachers), t [M, M]",
            got=f"q {students.shape}, r {mixed.shape}, t {teachers.shape}",
        )
    for name, block in (("q", students), ("t", teachers)):
        _refuse_asymmetry(name, block)
    lead = _broadcast(students.shape[:-2], mixed.shape[:-2], teachers.shape[:-2])
    joint = np.empty((*lead, k + m, k + m))
    joint[..., :k, :k], joint[..., k:, k:] = students, teachers
    joint[..., :k, k:], joint[..., k:, :k] = mixed, np.swapaxes(mixed, -1, -2)
    values = np.linalg.eigvalsh(joint)
    if (values[..., 0] < -TOLERANCE * np.maximum(values[..., -1], 0.0)).any():
        raise PrunescopeError(
            "no weights have these overlaps: Q, R and T are not jointly positive semi-definite",
            got=f"smallest eigenvalue {values[..., 0].min():.6g}",
        )
    return joint


def signed_amplitudes(v: ArrayLike, v_star: ArrayLike, units: int, students: int) -> Array:
    """Return (v, −v*) ``[..., K + M]``, checked against the number of units."""
    mine, theirs = finite_array(v, "v", least_axes=1), finite_array(v_star, "v_star", least_axes=1)
    if mine.shape[-1] != students or theirs.shape[-1] != units - students:
        raise PrunescopeError(
            "second-layer weights do not fit the order parameters",
            expected=f"v [{students}], v_star [{units - students}]",
            got=f"v {mine.shape}, v_star {theirs.shape}",
        )
    lead = _broadcast(mine.shape[:-1], theirs.shape[:-1])
    parts = (np.broadcast_to(part, (*lead, part.shape[-1])) for part in (mine, -theirs))
    return np.concatenate(list(parts), axis=-1)


def _refuse_asymmetry(name: str, block: Array) -> None:
    diagonal = np.diagonal(block, axis1=-2, axis2=-1)
    if (diagonal < 0).any():
        raise PrunescopeError("a squared length is negative", expected="diagonal ≥ 0", got=diagonal.min(), where=name)
    gap = np.abs(block - np.swapaxes(block, -1, -2)).max()
    if gap > TOLERANCE * np.abs(block).max():
        raise PrunescopeError("overlaps are not symmetric", got=f"a difference of {gap:.6g}", where=name)


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise PrunescopeError("leading axes do not fit together", got=" and ".join(map(str, shapes))) from None
