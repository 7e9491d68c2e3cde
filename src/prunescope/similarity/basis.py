"""Orthonormal bases of what layers span: by rank, or by share of variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.similarity.representation import EPS, Representation

INPUT_ULPS = 4.0


@dataclass(frozen=True)
class Basis:
    """An orthonormal basis of what a layer spans over the examples.

    Attributes:
        vectors: ``[n, rank]`` orthonormal columns, as a layer whose mean is zero.
        loadings: ``[rank, alive features]`` products of the vectors with the centred features.
        features: what the number of examples is compared with: features that vary, or components that were kept.
        dropped: constant features.
    """

    vectors: Representation
    loadings: Tensor
    features: int
    dropped: int

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return self.vectors.width

    def permuted(self, order: Tensor) -> Basis:
        """Return the basis of the same examples in another order."""
        return replace(self, vectors=self.vectors.permuted(order))


def spanned(layer: Representation) -> Basis:
    """Return an orthonormal basis of all that the layer's varying columns span.

    Raises:
        PrunescopeError: n ≤ p, because correlations are then 1 whatever the data.
    """
    layer = layer.ready()
    values = layer.centred()[:, layer.alive]
    n, p = values.shape
    if n <= p:
        raise PrunescopeError(
            "canonical correlations need more examples than features",
            expected="n > p",
            got=f"n = {n}, p = {p}",
            where=layer.where,
            remedy="They would all be 1 whatever the data: use more examples, svcca or cka",
        )
    lengths = torch.linalg.vector_norm(values, dim=0)
    kept = lengths > n * EPS * lengths.max()
    q, r = torch.linalg.qr(values[:, kept] / lengths[kept])
    u, s, _ = torch.linalg.svd(r)
    # values of a lower precision carry its rounding noise, which would count as dimensions
    tolerance = max(n * EPS, INPUT_ULPS * layer.eps if layer.eps > EPS else 0.0)
    u = u[:, s > tolerance * s[0]]
    return _basis(layer, q @ u, u.T @ r * lengths[kept], p)


def principal(layer: Representation, variance: float) -> Basis:
    """Return the basis of the fewest principal components that hold ``variance`` of the squared singular values."""
    layer = layer.ready()
    values = layer.centred()[:, layer.alive]
    n = len(values)
    q, r = torch.linalg.qr(values)
    u, s, _ = torch.linalg.svd(r, full_matrices=False)
    rank = int((s > max(values.shape) * EPS * s[0]).sum())
    energies = s[:rank].square()
    # left[k]: the share that is lost when k components are kept, summed from the small end
    left = torch.cat([energies.flip(0).cumsum(0).flip(0)[1:], energies.new_zeros(1)]) / energies.sum()
    count = 1 + int((left > (1 - variance) * (1 + 1e-9)).sum())
    if count >= n - 1:
        raise PrunescopeError(
            "the components kept span all examples, so every correlation would be 1",
            expected="components < n − 1",
            got=f"n = {n}, components = {count}",
            where=layer.where,
            remedy="Use more examples or a smaller variance",
        )
    u = u[:, :count]
    return _basis(layer, q @ u, u.T @ r, count)


def _basis(layer: Representation, vectors: Tensor, loadings: Tensor, features: int) -> Basis:
    rotated = Representation(vectors, vectors.new_zeros(vectors.shape[1]), EPS, layer.where)
    return Basis(rotated, loadings, features, layer.width - int(layer.alive.sum()))
