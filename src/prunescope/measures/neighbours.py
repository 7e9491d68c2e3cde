"""Nearest neighbours: one exact search, and the votes that every question asked of it casts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError

TILE_BYTES = 256 * 2**20

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


class Neighbours(NamedTuple):
    """The nearest references of each query, nearest first: ``indices`` and ``distances``, each ``[queries, k]``."""

    indices: Labels
    distances: Array

    def first(self, k: int) -> Neighbours:
        """Return the nearest ``k``, so that one search answers for every smaller k."""
        return Neighbours(self.indices[:, :k], self.distances[:, :k])

    def without(self, own: ArrayLike) -> Neighbours:
        """Return one neighbour less for each query: its ``own`` index ``[queries]``, or the last where that is absent.

        A point among its own references is thereby left out, also where others lie on the same spot.
        """
        itself = self.indices == np.asarray(own)[:, None]
        itself[~itself.any(axis=1), -1] = True
        kept, shape = ~itself, (len(self.indices), self.indices.shape[1] - 1)
        return Neighbours(self.indices[kept].reshape(shape), self.distances[kept].reshape(shape))

    def vote(self, labels: ArrayLike) -> Labels:
        r"""Return the class of most neighbours, ``[queries]``.

        A tie goes to the class whose neighbours have the smaller sum of distances, then to the lowest class.

        Args:
            labels: classes of the references.
        """
        classes = np.asarray(labels)
        cells = classes[self.indices] + (int(classes.max()) + 1) * np.arange(len(self.indices))[:, None]
        shape = (len(self.indices), int(classes.max()) + 1)
        votes = np.bincount(cells.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
        leading = votes == votes.max(axis=1, keepdims=True)
        winner = np.asarray(leading.argmax(axis=1))
        tied = np.flatnonzero(leading.sum(axis=1) > 1)
        if len(tied):
            sums = np.zeros((len(tied), shape[1]))
            np.add.at(sums, (np.arange(len(tied))[:, None], classes[self.indices[tied]]), self.distances[tied])
            winner[tied] = np.where(leading[tied], sums, np.inf).argmin(axis=1)
        return winner


def nearest_neighbours(queries: ArrayLike | Tensor, references: ArrayLike | Tensor, k: int) -> Neighbours:
    r"""Return the ``k`` nearest references of each query by Euclidean distance, exactly.

    On the CPU by scikit-learn's pairwise reductions, on a GPU by tiles of one matrix product. Neither holds more than
    one block of the distances at a time. At equal distances the order is that of the search, always the same.

    Args:
        queries: ``[queries, features]``; a tensor on a GPU is searched there.
        references: ``[references, features]``.
        k: neighbours.

    Raises:
        PrunescopeError: for k above the number of references, other shapes, or values that are not finite.

    Example:
        >>> nearest_neighbours([[0.0]], [[3.0], [1.0], [-2.0]], k=2).indices.tolist()
        [[1, 2]]
    """
    x, y = (_points(points, name) for points, name in ((queries, "queries"), (references, "references")))
    if x.shape[1] != y.shape[1]:
        raise PrunescopeError("queries and references differ in features", expected=y.shape[1], got=x.shape[1])
    if not 1 <= k <= len(y):
        raise PrunescopeError("k does not fit the reference set", expected=f"1 … {len(y)}", got=k, where="neighbours")
    if y.device.type != "cpu":
        return tiled_search(x.to(y.device), y, k)
    from sklearn.neighbors import NearestNeighbors  # slow to import

    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(y.numpy())
    distances, indices = search.kneighbors(x.numpy())
    return Neighbours(indices.astype(np.int64, copy=False), distances.astype(np.float64, copy=False))


def tiled_search(queries: Tensor, references: Tensor, k: int, tile_bytes: int = TILE_BYTES) -> Neighbours:
    """Return the nearest neighbours from tiles of one product, on whatever device the tensors are.

    Features are centred on the references first, which keeps digits where all points lie far from zero.
    """
    centre = references.mean(dim=0)
    y = references - centre
    squares = y.square().sum(dim=1)
    step = max(1, tile_bytes // (len(y) * y.element_size()))
    found = []
    for part in torch.split(queries - centre, step):
        tile = torch.addmm(squares, part, y.T, beta=1, alpha=-2)
        near = tile.topk(k, dim=1, largest=False)
        found.append((near.indices.cpu(), (near.values + part.square().sum(dim=1, keepdim=True)).cpu()))
    indices, squared = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Neighbours(indices.numpy(), squared.clamp(min=0).double().sqrt().numpy())


def knn_predictions(
    queries: ArrayLike | Tensor,
    references: ArrayLike | Tensor,
    labels: ArrayLike,
    k: int = 30,
    *,
    own: ArrayLike | None = None,
) -> Labels:
    """Return the majority class of the ``k`` nearest references of each query, ``[queries]``.

    Args:
        queries: ``[queries, features]``.
        references: ``[references, features]``.
        labels: classes of the references ``[references]``.
        k: neighbours that vote; ties as in :meth:`Neighbours.vote`.
        own: which reference each query is, to leave it out of its own neighbours (leave-one-out).

    Raises:
        PrunescopeError: for labels that do not fit, or k above the number of references that may vote.

    Source: Fix and Hodges, Discriminatory Analysis (1951).

    Example:
        >>> knn_predictions([[0.1]], [[0.0], [0.2], [5.0]], [1, 1, 0], k=3).tolist()
        [1]
    """
    known, points = np.asarray(labels), _points(references, "references")
    if known.shape != points.shape[:1] or known.dtype.kind not in "iu":
        expected, got = f"whole numbers [{len(points)}]", f"{known.dtype} {list(known.shape)}"
        raise PrunescopeError("labels do not fit the references", expected=expected, got=got, where="neighbours")
    if own is None:
        return nearest_neighbours(queries, points, k).vote(known)
    return nearest_neighbours(queries, points, k + 1).without(own).vote(known)


def _points(points: ArrayLike | Tensor, name: str) -> Tensor:
    table = points if isinstance(points, Tensor) else torch.as_tensor(np.asarray(points))
    table = table.detach() if table.is_floating_point() else table.detach().double()
    if table.ndim != 2 or not table.numel():
        raise PrunescopeError("not points", expected="[points, features]", got=list(table.shape), where=name)
    if not bool(torch.isfinite(table).all()):
        raise PrunescopeError("features are not finite", where=name)
    return table.contiguous()
