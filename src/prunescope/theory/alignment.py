"""Which student node learned which teacher node: an optimal assignment that shows the block structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.theory.generalization import joint_covariance

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Students sorted into the blocks of their teacher nodes.

    ``permutation``, ``teacher``, ``sign``, ``overlap``, ``converged`` and ``displaced`` have one entry per
    student; the first lists students in their new order, the others are in the order given.
    """

    permutation: NDArray[np.int64]
    """Students in the new order: those of teacher 0 first, largest overlap first."""
    teacher: NDArray[np.int64]
    """Teacher node assigned to each student."""
    sign: NDArray[np.int64]
    """−1 for a student that learned the opposite of its teacher, else 1."""
    overlap: Array
    """Cosine of the angle to the assigned teacher, without its sign."""
    converged: NDArray[np.bool_]
    """Whether the student's largest overlap with any teacher reaches the threshold."""
    displaced: NDArray[np.bool_]
    """Whether a full block kept the student from the teacher that it overlaps most."""
    block_sizes: NDArray[np.int64]
    """How many converged students overlap most with each teacher ``[M]``, however unequal."""
    q: Array
    """Q in the new order, signs taken out ``[K, K]``."""
    r: Array
    """R in the new order, signs taken out ``[K, M]``."""

    @property
    def equal_blocks(self) -> bool:
        """Whether every student converged and every teacher has equally many."""
        return bool(self.converged.all() and (self.block_sizes == self.block_sizes[0]).all())


def align(q: ArrayLike, r: ArrayLike, t: ArrayLike, threshold: float = 0.7) -> Alignment:
    r"""Assign students to teachers so that $\sum_i |\rho_{i,n(i)}|$ is largest.

    $\rho_{in} = R_{in} / \sqrt{Q_{ii} T_{nn}}$ is the cosine of the angle between weight rows. Each teacher takes at
    most ⌈K/M⌉ students. Students that learned nothing (also pruned ones, with $Q_{ii} = 0$) are assigned like the
    others and reported as not converged.

    Args:
        q: ``[K, K]``.
        r: ``[K, M]``.
        t: ``[M, M]``.
        threshold: least |ρ| of a converged student, in (0, 1].

    Raises:
        PrunescopeError: for order parameters that ``generalization_error`` refuses, or a threshold out of range.

    Source: Kuhn, The Hungarian method for the assignment problem (1955); block structure after Goldt et al.,
        NeurIPS 2019, and Acharyya et al., UAI 2021.

    Example:
        >>> told = align([[1.0, 0.0], [0.0, 1.0]], [[0.0, -0.9], [0.8, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> told.permutation.tolist(), told.sign.tolist(), told.block_sizes.tolist()
        ([1, 0], [-1, 1], [1, 1])
    """
    if not 0 < threshold <= 1:
        raise PrunescopeError("threshold of an overlap out of range", expected="0 < threshold ≤ 1", got=threshold)
    joint = joint_covariance(q, r, t)
    if joint.ndim != 2:
        raise PrunescopeError("more than one network", expected="q [K, K]", got=np.shape(q))
    students = np.shape(q)[-1]
    mine, mixed = joint[:students, :students], joint[:students, students:]
    cosine = _cosines(joint, students)
    size = np.abs(cosine)
    preferred = size.argmax(axis=1)
    teacher = _assign(size)
    every = np.arange(students)
    converged = size.max(axis=1) >= threshold
    sign = np.where(cosine[every, teacher] < 0, -1, 1)
    order = np.lexsort((-size[every, teacher], teacher))
    return Alignment(
        permutation=order,
        teacher=teacher,
        sign=sign,
        overlap=size[every, teacher],
        converged=converged,
        displaced=size[every, teacher] < size[every, preferred],
        block_sizes=np.bincount(preferred[converged], minlength=size.shape[1]),
        q=(mine * sign[:, None] * sign)[np.ix_(order, order)],
        r=(mixed * sign[:, None])[order],
    )


def _cosines(joint: Array, students: int) -> Array:
    lengths = np.sqrt(np.diagonal(joint))
    scale = lengths[:students, None] * lengths[students:]
    return np.asarray(np.divide(joint[:students, students:], scale, out=np.zeros_like(scale), where=scale > 0))


def _assign(size: Array) -> NDArray[np.int64]:
    """Return the teacher of each student ``[K]``; every teacher is offered ⌈K/M⌉ times."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    students, teachers = size.shape
    capacity = -(-students // teachers)
    _, slot = linear_sum_assignment(np.repeat(size, capacity, axis=1), maximize=True)
    return np.asarray(slot // capacity, dtype=np.int64)
