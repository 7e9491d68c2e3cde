"""What every similarity is shown: examples in rows, features in columns, checked once, centred when read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError

Matrix = NDArray[Any] | Tensor

EPS = float(torch.finfo(torch.float64).eps)
CONSTANT_ULPS = 4.0
SAFE = (2.0**-40, 2.0**40)


@dataclass(frozen=True)
class Representation:
    """One layer's answers to n examples, in the precision they came in; float64 and centred when read.

    Attributes:
        data: ``[n, p]``, float32 or float64, finite.
        mean: ``[p]`` column means, float64.
        eps: rounding unit of the precision the values came in.
        where: the name used in refusals (``x``, ``xs[3]``).
    """

    data: Tensor
    mean: Tensor
    eps: float
    where: str

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.data.shape[0])

    @property
    def width(self) -> int:
        """Number of features, constant ones included."""
        return int(self.data.shape[1])

    def centred(self) -> Tensor:
        """Return ``[n, p]`` float64 values whose columns sum to zero."""
        return self.data - self.mean

    @cached_property
    def alive(self) -> Tensor:
        """Bool ``[p]``: columns whose spread exceeds the rounding of their own value."""
        spread = torch.linalg.vector_norm(self.centred(), dim=0) / math.sqrt(self.n)
        varies: Tensor = spread > CONSTANT_ULPS * self.eps * self.mean.abs()
        return varies

    def require_variation(self, energy: float | None = None) -> None:
        """Refuse if every column is constant; ``energy`` (sum of squares, centred) spares a look at the columns."""
        rounding = (CONSTANT_ULPS * self.eps) ** 2 * float(self.mean.square().sum())
        if energy is not None and energy > self.n * rounding:
            return
        if not bool(self.alive.any()):
            raise PrunescopeError(
                "every feature is constant over the examples",
                expected="at least one that varies",
                got=f"{self.width} constant of {self.width}, n = {self.n}",
                where=self.where,
                remedy="A dead layer has no similarity to anything: report it as dead",
            )

    def ready(self) -> Representation:
        """Return the layer at a scale where powers neither overflow nor vanish; refuse one that is constant."""
        layer = self.tamed()
        layer.require_variation()
        return layer

    def tamed(self) -> Representation:
        """Return the layer, its largest value near 1 by a power of two if it was far from it."""
        largest = float(torch.linalg.vector_norm(self.data, dim=1).max())
        if SAFE[0] < largest < SAFE[1]:
            return self
        exponent = -math.frexp(float(self.data.abs().max()))[1]
        data = self.data.double() * 2.0 ** (exponent // 2) * 2.0 ** (exponent - exponent // 2)
        return replace(self, data=data, mean=data.mean(dim=0))

    def permuted(self, order: Tensor) -> Representation:
        """Return the same examples in another order."""
        return replace(self, data=self.data[order])

    def compact(self) -> Representation:
        """Return at most n features with the same inner products between examples (a wide layer, rotated)."""
        if self.width <= self.n:
            return self
        factor = torch.linalg.qr(self.centred().T, mode="r").R.T.contiguous()
        return Representation(factor, factor.new_zeros(self.n), EPS, self.where)


def represent(matrices: Sequence[Matrix], names: Sequence[str]) -> list[Representation]:
    """Check ``[n, p_i]`` matrices that describe the same n examples and bring them to one device.

    Raises:
        PrunescopeError: not two axes, empty, not real numbers, NaN or infinity, different n, different devices.
    """
    device = shared_device(matrices)
    checked = [_represent(matrix, name, device) for matrix, name in zip(matrices, names, strict=True)]
    for other in checked[1:]:
        require_rows(checked[0].n, other.n, names[0], other.where)
    return checked


def require_rows(expected: int, got: int, reference: str, where: str) -> None:
    """Refuse two matrices with different numbers of examples."""
    if expected != got:
        raise PrunescopeError(
            "different numbers of examples",
            expected=f"n = {expected} as in {reference}",
            got=f"n = {got}",
            where=where,
            remedy="Row i of every matrix must belong to the same example",
        )


def shared_device(matrices: Sequence[Matrix]) -> torch.device:
    """Return the one device of the tensors among ``matrices``; arrays follow them."""
    devices = {matrix.device for matrix in matrices if isinstance(matrix, Tensor)}
    if len(devices) > 1:
        raise PrunescopeError(
            "representations lie on different devices",
            got=sorted(str(device) for device in devices),
            remedy="Move them to one device first",
        )
    return computing_device(devices.pop()) if devices else torch.device("cpu")


def computing_device(device: torch.device) -> torch.device:
    """Return where float64 work for ``device`` is done: there, or on the CPU where it has no float64 (mps)."""
    return torch.device("cpu") if device.type == "mps" else device


def checked_values(matrix: Matrix, where: str, device: torch.device) -> tuple[Tensor, float]:
    """Return a finite float32 or float64 ``[n, p]`` tensor and the rounding unit its values came with."""
    tensor, eps = _floating(matrix, where)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise PrunescopeError(
            "not a matrix of examples by features",
            expected="[n, p] with n, p ≥ 1",
            got=f"shape {list(tensor.shape)}",
            where=where,
            remedy=_shape_remedy(tensor.ndim),
        )
    return tensor.to(device), eps


def require_finite(data: Tensor, where: str) -> None:
    """Refuse NaN and infinity, telling how many there are and where the first one is."""
    bad = ~torch.isfinite(data)
    if bool(bad.any()):
        row, column = (int(index) for index in bad.nonzero()[0])
        raise PrunescopeError(
            "a value is NaN or infinite",
            expected="finite values",
            got=f"{int(bad.sum())} such, the first in row {row}, column {column}",
            where=where,
        )


def _represent(matrix: Matrix, where: str, device: torch.device) -> Representation:
    data, eps = checked_values(matrix, where, device)
    mean = data.mean(dim=0, dtype=torch.float64)
    if not bool(torch.isfinite(mean).all()):  # one value that is not finite makes its mean so
        require_finite(data, where)
    return Representation(data, mean, eps, where)


def _floating(matrix: Matrix, where: str) -> tuple[Tensor, float]:
    if isinstance(matrix, Tensor):
        if matrix.is_complex():
            raise _not_real(matrix.dtype, where)
        eps = float(torch.finfo(matrix.dtype).eps) if matrix.is_floating_point() else EPS
        if matrix.dtype in (torch.float32, torch.float64):
            return matrix.detach(), eps
        return matrix.detach().to(torch.float32 if matrix.is_floating_point() else torch.float64), eps
    array = np.asarray(matrix)
    if array.dtype.kind not in "fiub":
        raise _not_real(array.dtype, where)
    eps = max(float(np.finfo(array.dtype).eps), EPS) if array.dtype.kind == "f" else EPS
    precision = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    return torch.from_numpy(np.require(array, dtype=precision, requirements=["C", "W"])), eps


def _not_real(dtype: object, where: str) -> PrunescopeError:
    return PrunescopeError("values are not real numbers", expected="floats or integers", got=dtype, where=where)


def _shape_remedy(ndim: int) -> str:
    if ndim == 1:
        return "A single feature is written x[:, None]"
    if ndim > 2:
        return "Say what happens to the positions: as_matrix(activations, space='flatten', 'pool' or 'samples')"
    return ""
