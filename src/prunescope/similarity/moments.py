"""Linear CKA and NBS of a stream: exact sums that batches of any size add to, divided once at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.hsic import hsic, normalised, require_four, require_own
from prunescope.similarity.representation import (
    CONSTANT_ULPS,
    Matrix,
    checked_values,
    require_finite,
    require_rows,
    shared_device,
)


@dataclass(frozen=True)
class _Joint:
    """Sums over examples of two sets of features u, v measured from their means.

    Attributes:
        cross: ``[p, q]`` Σ u vᵀ.
        third_u: ``[p]`` Σ ‖v‖² u.
        third_v: ``[q]`` Σ ‖u‖² v.
        fourth: Σ ‖u‖² ‖v‖².
    """

    cross: Tensor
    third_u: Tensor
    third_v: Tensor
    fourth: Tensor

    @staticmethod
    def of(u: Tensor, v: Tensor) -> _Joint:
        """Sum over the rows of u and v."""
        square_u, square_v = u.square().sum(1), v.square().sum(1)
        return _Joint(u.T @ v, square_v @ u, square_u @ v, square_u @ square_v)

    def moved(self, n: int, d: Tensor, e: Tensor, trace_u: Tensor, trace_v: Tensor) -> _Joint:
        """Return the sums of u + d and v + e; those of u and v alone are zero, so many terms vanish."""
        dd, ee = d @ d, e @ e
        cross_e, cross_d = self.cross @ e, d @ self.cross
        return _Joint(
            self.cross + n * torch.outer(d, e),
            self.third_u + trace_v * d + 2 * cross_e + n * ee * d,
            self.third_v + trace_u * e + 2 * cross_d + n * dd * e,
            self.fourth
            + 2 * (e @ self.third_v + d @ self.third_u)
            + ee * trace_u
            + dd * trace_v
            + 4 * (d @ cross_e)
            + n * dd * ee,
        )

    def __add__(self, other: _Joint) -> _Joint:
        return _Joint(
            self.cross + other.cross,
            self.third_u + other.third_u,
            self.third_v + other.third_v,
            self.fourth + other.fourth,
        )


@dataclass(frozen=True)
class Moments:
    r"""What linear CKA and NBS need of examples seen so far, measured from their mean; sums of two parts add up.

    The debiased form of CKA needs one sum beyond second moments, Σ_i ‖x_i − x̄‖² ‖y_i − ȳ‖². The mean is not known until
    the stream ends, so every part keeps the sums around its own mean (second, third and fourth order) and ``+``
    moves both to the joint mean: nothing is subtracted that is large beside the result. Batches may have any size,
    a single example included, and parts may be added in any order; memory is p² + q² + pq.

    Make one with :meth:`of` or :meth:`of_batches`.

    Attributes:
        n: examples so far.
        eps: rounding unit of the least precise values so far.
        mean_x: ``[p]`` means of the features of x.
        mean_y: ``[q]`` means of the features of y.

    Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance, American Statistician 37 (1983),
    carried on to fourth order; Nguyen et al. 2021 (arXiv 2010.15327) for CKA of mini-batches; Tang et al. 2020
    (arXiv 2003.11498) for NBS.

    Example:
        >>> import numpy as np
        >>> from prunescope.similarity import cka, nbs
        >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 8))
        >>> moments = Moments.of(x[:30], y[:30]) + Moments.of(x[30:], y[30:])
        >>> abs(moments.cka() - cka(x, y)) < 1e-12, abs(moments.nbs() - nbs(x, y)) < 1e-12
        (True, True)
    """

    n: int
    eps: float
    mean_x: Tensor
    mean_y: Tensor
    _xx: _Joint
    _yy: _Joint
    _xy: _Joint

    @staticmethod
    def of(x: Matrix, y: Matrix) -> Moments:
        """Return the moments of one batch ``[n, p]`` and ``[n, q]``.

        Raises:
            PrunescopeError: not two axes, empty, NaN or infinity, different n.
        """
        device = shared_device([x, y])
        (values_x, eps_x), (values_y, eps_y) = checked_values(x, "x", device), checked_values(y, "y", device)
        require_finite(values_x, "x")
        require_finite(values_y, "y")
        require_rows(len(values_x), len(values_y), "x", "y")
        u, v = values_x.double(), values_y.double()
        mean_x, mean_y = u.mean(0), v.mean(0)
        u, v = u - mean_x, v - mean_y
        return Moments(len(u), max(eps_x, eps_y), mean_x, mean_y, _Joint.of(u, u), _Joint.of(v, v), _Joint.of(u, v))

    @staticmethod
    def of_batches(batches: Iterable[tuple[Matrix, Matrix]]) -> Moments:
        """Return the moments of a stream of ``(x, y)`` batches.

        Raises:
            PrunescopeError: for an empty stream, and as :meth:`of`.
        """
        parts = (Moments.of(x, y) for x, y in batches)
        first = next(parts, None)
        if first is None:
            raise PrunescopeError("the stream holds no batch", expected="at least one (x, y)", where="Moments")
        return reduce(add, parts, first)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of examples together.

        Raises:
            PrunescopeError: for different numbers of features.
        """
        widths, others = tuple(self._xy.cross.shape), tuple(other._xy.cross.shape)
        if widths != others:
            raise PrunescopeError("parts of a stream differ in width", expected=widths, got=others, where="Moments")
        n = self.n + other.n
        mean_x = self.mean_x + (other.mean_x - self.mean_x) * (other.n / n)
        mean_y = self.mean_y + (other.mean_y - self.mean_y) * (other.n / n)
        sums = [a + b for a, b in zip(self._around(mean_x, mean_y), other._around(mean_x, mean_y), strict=True)]
        return Moments(n, max(self.eps, other.eps), mean_x, mean_y, *sums)

    def cka(self, debiased: bool = True) -> float:
        """Return linear CKA of all examples so far: what :func:`~prunescope.similarity.cka` returns for them at once.

        Raises:
            PrunescopeError: n < 4 when debiased, all features constant, or sums beyond the range of float64.
        """
        if debiased:
            require_four(self.n, "Moments")
        self._require_variation()
        trace_x, trace_y = self._xx.cross.trace(), self._yy.cross.trace()
        own = []
        for joint, trace, name in ((self._xx, trace_x, "x"), (self._yy, trace_y, "y")):
            inner = joint.cross.square().sum()
            own.append(hsic(inner, joint.fourth, trace, trace, self.n, debiased=debiased).reshape(1))
            require_own(own[-1], inner.reshape(1), [name])
        inner = self._xy.cross.square().sum()
        cross = hsic(inner, self._xy.fourth, trace_x, trace_y, self.n, debiased=debiased)
        return float(normalised(cross.reshape(1, 1), *own)[0, 0])

    def nbs(self) -> float:
        """Return NBS of all examples so far: what :func:`~prunescope.similarity.nbs` returns for them at once.

        Raises:
            PrunescopeError: all features constant, or sums beyond the range of float64.
        """
        self._require_variation()
        nuclear = torch.linalg.svdvals(self._xy.cross).sum()
        value = nuclear / self._xx.cross.trace().sqrt() / self._yy.cross.trace().sqrt()
        return float(value.clamp(0.0, 1.0))

    def _around(self, mean_x: Tensor, mean_y: Tensor) -> tuple[_Joint, _Joint, _Joint]:
        d, e = self.mean_x - mean_x, self.mean_y - mean_y
        trace_x, trace_y = self._xx.cross.trace(), self._yy.cross.trace()
        return (
            self._xx.moved(self.n, d, d, trace_x, trace_x),
            self._yy.moved(self.n, e, e, trace_y, trace_y),
            self._xy.moved(self.n, d, e, trace_x, trace_y),
        )

    def _require_variation(self) -> None:
        for joint, mean, name in ((self._xx, self.mean_x, "x"), (self._yy, self.mean_y, "y")):
            energies = joint.cross.diagonal()
            if not bool(torch.isfinite(joint.cross.square().sum() + joint.fourth)):
                raise PrunescopeError("the sums overflow", where=name, remedy="Scale the features towards 1")
            if not bool((energies > self.n * (CONSTANT_ULPS * self.eps * mean) ** 2).any()):
                raise PrunescopeError("every feature is constant over the examples", where=name)
