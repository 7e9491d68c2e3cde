"""Online learning of a two-layer erf student: differential equations of its order parameters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.theory.generalization import joint_covariance, residual_error, signed_amplitudes
from prunescope.theory.order_parameters import finite_array

Array = NDArray[np.float64]


EVALUATIONS = 10_000  # of the equations, at most; a long run at a usual learning rate needs a fifth of them


class Trajectory(NamedTuple):
    """Order parameters over time; ``error`` is the generalisation error without the label noise's σ²/2."""

    time: Array
    """Samples seen / N ``[times]``."""
    q: Array
    """``[times, K, K]``"""
    r: Array
    """``[times, K, M]``"""
    v: Array
    """``[times, K]``"""
    error: Array
    """``[times]``"""


class Flow(NamedTuple):
    """Time derivatives of Q, R and v."""

    q: Array
    r: Array
    v: Array


def learning_dynamics(
    q: ArrayLike,
    r: ArrayLike,
    t: ArrayLike,
    v: ArrayLike,
    v_star: ArrayLike,
    *,
    learning_rate: float,
    times: ArrayLike,
    noise: float = 0.0,
    train_second_layer: bool = True,
) -> Trajectory:
    r"""Integrate the equations of online SGD for N → ∞ with N-independent time α = samples / N.

    The rule is $w_i \leftarrow w_i - \frac{\eta}{\sqrt N} v_i\, g'(\lambda_i)\, \Delta\, x$ and
    $v_i \leftarrow v_i - \frac{\eta}{N} g(\lambda_i)\, \Delta$, with $\Delta = \hat y - y$,
    $\lambda_i = w_i \cdot x / \sqrt N$, $g(u) = \mathrm{erf}(u/\sqrt2)$ and labels with noise σ.

    Args:
        q: Q at time 0 ``[K, K]``.
        r: R at time 0 ``[K, M]``.
        t: T, constant ``[M, M]``.
        v: second-layer weights of the student at time 0 ``[K]``.
        v_star: those of the teacher ``[M]``.
        learning_rate: η > 0.
        times: increasing times ≥ 0 at which the state is told ``[times]``.
        noise: σ ≥ 0.
        train_second_layer: False keeps v (a soft committee machine).

    Raises:
        PrunescopeError: for order parameters that ``generalization_error`` refuses, η ≤ 0, σ < 0, times that do
            not increase, or equations so stiff that the solver would not come to an end.

    Source: Saad and Solla, Physical Review E 52 (1995); Goldt et al., NeurIPS 2019, for learning v.

    Example:
        >>> path = learning_dynamics(
        ...     [[0.2]], [[0.1]], [[1.0]], [1.0], [1.0], learning_rate=0.5, times=[0.0, 40.0], train_second_layer=False
        ... )
        >>> path.error.round(3).tolist()
        [0.179, 0.0]
    """
    start = joint_covariance(q, r, t)
    amplitudes = signed_amplitudes(v, v_star, start.shape[-1], np.shape(q)[-1])
    if start.ndim != 2 or amplitudes.ndim != 1:
        raise PrunescopeError("more than one network", expected="q [K, K], v [K]", got=f"q {np.shape(q)}")
    _refuse_rates(learning_rate, noise)
    moments = _checked_times(times)
    students = np.shape(q)[-1]
    system = _System(start, amplitudes, students, learning_rate, noise, train_second_layer)
    states = _integrated(system, system.pack(start, amplitudes), moments)
    joints, weights = (np.stack(parts) for parts in zip(*map(system.unpack, states), strict=True))
    mine, mixed = joints[:, :students, :students], joints[:, :students, students:]
    return Trajectory(moments, mine, mixed, weights[:, :students], residual_error(joints, weights))


def learning_flow(
    covariance: Array, amplitudes: Array, students: int, *, learning_rate: float, noise: float = 0.0
) -> Flow:
    r"""Return the derivatives of Q, R and v; $\Delta = \sum_c a_c\, g(x_c) - \sigma\zeta$ runs over all units.

    $\dot Q_{ik} = -\eta\,(v_i E[g'_i x_k \Delta] + v_k E[g'_k x_i \Delta]) + \eta^2 v_i v_k E[g'_i g'_k \Delta^2]$,
    $\dot R_{in} = -\eta\, v_i E[g'_i x_n \Delta]$, $\dot v_i = -\eta\, E[g_i \Delta]$.

    Args:
        covariance: C of all pre-activations, students first ``[P, P]``.
        amplitudes: a = (v, −v*) ``[P]``.
        students: K.
        learning_rate: η.
        noise: σ.
    """
    c, d, a = covariance, np.diagonal(covariance), amplitudes
    k = slice(students)
    values = i2(c[k], d[k, None], d) @ a
    slopes = i3(d[k, None, None], c[k, :, None], c[k, None, :], c[None], d) @ a
    squares = i4(
        (d[k, None, None, None], d[None, k, None, None], d[:, None], d),
        (c[k, k, None, None], c[k, None, :, None], c[k, None, None, :], c[None, k, :, None], c[None, k, None, :], c),
    )
    diffusion = np.einsum("ikcd,c,d->ik", squares, a, a) + noise**2 * j2(c[k, k], d[k, None], d[k])
    drift = -learning_rate * a[k, None] * slopes
    inside = drift[:, k] + drift[:, k].T + learning_rate**2 * np.outer(a[k], a[k]) * diffusion
    return Flow(inside, drift[:, students:], -learning_rate * values)


def i2(c12: Array, c11: Array, c22: Array) -> Array:
    r"""Return $E[g(x_1) g(x_2)] = \frac2\pi \arcsin\frac{C_{12}}{\sqrt{(1+C_{11})(1+C_{22})}}$; arrays broadcast."""
    return np.asarray(2 / np.pi * np.arcsin(np.clip(c12 / np.sqrt((1 + c11) * (1 + c22)), -1.0, 1.0)))


def j2(c12: Array, c11: Array, c22: Array) -> Array:
    r"""Return $E[g'(x_1) g'(x_2)] = \frac2\pi \big[(1+C_{11})(1+C_{22}) - C_{12}^2\big]^{-1/2}$; arrays broadcast."""
    return np.asarray(2 / np.pi / np.sqrt((1 + c11) * (1 + c22) - c12**2))


def i3(c11: Array, c12: Array, c13: Array, c23: Array, c33: Array) -> Array:
    r"""Return $E[g'(x_1)\, x_2\, g(x_3)] = \frac2\pi \frac{C_{23}(1+C_{11}) - C_{12}C_{13}}{\sqrt{\Lambda}(1+C_{11})}$.

    $\Lambda = (1+C_{11})(1+C_{33}) - C_{13}^2$; arrays broadcast.

    Source: Saad and Solla, Physical Review E 52 (1995), appendix A.
    """
    root = np.sqrt((1 + c11) * (1 + c33) - c13**2)
    return np.asarray(2 / np.pi * (c23 * (1 + c11) - c12 * c13) / (root * (1 + c11)))


def i4(
    variances: tuple[Array, Array, Array, Array], covariances: tuple[Array, Array, Array, Array, Array, Array]
) -> Array:
    r"""Return $E[g'(x_1) g'(x_2) g(x_3) g(x_4)]$.

    $\frac{4}{\pi^2 \sqrt{\Lambda_4}} \arcsin\frac{\Lambda_0}{\sqrt{\Lambda_1\Lambda_2}}$

    Args:
        variances: $C_{11}, C_{22}, C_{33}, C_{44}$; arrays broadcast.
        covariances: $C_{12}, C_{13}, C_{14}, C_{23}, C_{24}, C_{34}$.

    Source: Saad and Solla, Physical Review E 52 (1995), appendix A.
    """
    c11, c22, c33, c44 = variances
    c12, c13, c14, c23, c24, c34 = covariances
    a, b = 1 + c11, 1 + c22
    l4 = a * b - c12**2
    l0 = l4 * c34 - c23 * c24 * a - c13 * c14 * b + c12 * (c13 * c24 + c14 * c23)
    l1 = l4 * (1 + c33) - c23**2 * a - c13**2 * b + 2 * c12 * c13 * c23
    l2 = l4 * (1 + c44) - c24**2 * a - c14**2 * b + 2 * c12 * c14 * c24
    return np.asarray(4 / np.pi**2 * np.arcsin(np.clip(l0 / np.sqrt(l1 * l2), -1.0, 1.0)) / np.sqrt(l4))


class _System:
    """What stays constant, and how the moving numbers (upper half of Q, R, v) lie in one vector."""

    def __init__(
        self,
        start: Array,
        amplitudes: Array,
        students: int,
        learning_rate: float,
        noise: float,
        train_second_layer: bool,
    ) -> None:
        self.start, self.amplitudes, self.students = start, amplitudes, students
        self.learning_rate = np.float64(learning_rate)
        self.noise = np.float64(noise)
        self.train_second_layer = train_second_layer
        self.evaluations = 0

    def pack(self, covariance: Array, amplitudes: Array) -> Array:
        k = self.students
        upper = covariance[:k, :k][np.triu_indices(k)]
        return np.concatenate([upper, covariance[:k, k:].ravel(), amplitudes[:k]])

    def unpack(self, state: Array) -> tuple[Array, Array]:
        k = self.students
        covariance, amplitudes = self.start.copy(), self.amplitudes.copy()
        upper = np.triu_indices(k)
        size = len(upper[0])
        covariance[upper] = covariance[upper[::-1]] = state[:size]
        covariance[:k, k:] = state[size:-k].reshape(k, -1)
        covariance[k:, :k] = covariance[:k, k:].T
        amplitudes[:k] = state[-k:]
        return covariance, amplitudes

    def rate(self, time: float, state: Array) -> Array:
        self.evaluations += 1
        flow = learning_flow(*self.unpack(state), self.students, learning_rate=self.learning_rate, noise=self.noise)
        upper = flow.q[np.triu_indices(self.students)]
        change = np.concatenate([upper, flow.r.ravel(), flow.v * self.train_second_layer])
        if not np.isfinite(change).all() or self.evaluations > EVALUATIONS:  # the solver itself would go on for ever
            raise PrunescopeError(
                "the equations of learning cannot be integrated",
                got=f"η {self.learning_rate:g}, stuck at time {time:.4g}",
                remedy="Lower η or begin with smaller weights",
            )
        return change


def _integrated(system: _System, first: Array, moments: Array) -> Array:
    """Return the states ``[times, numbers]``."""
    from scipy.integrate import solve_ivp  # slow to import

    if moments[-1] == 0:
        return first[None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        solution = solve_ivp(
            system.rate, (0.0, moments[-1]), first, method="LSODA", t_eval=moments, rtol=1e-7, atol=1e-9
        )
    assert solution.success, solution.message
    return np.asarray(solution.y.T)


def _checked_times(times: ArrayLike) -> Array:
    moments = finite_array(times, "times", least_axes=1)
    if moments.ndim != 1 or moments[0] < 0 or (np.diff(moments) <= 0).any():
        raise PrunescopeError("times do not increase from 0 or later", got=moments.tolist())
    return moments


def _refuse_rates(learning_rate: float, noise: float) -> None:
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise PrunescopeError("learning rate out of range", expected="η > 0", got=learning_rate)
    if not (math.isfinite(noise) and noise >= 0):
        raise PrunescopeError("label noise out of range", expected="a standard deviation σ ≥ 0", got=noise)
