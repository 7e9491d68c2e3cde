"""Projection DPP sampling for many walkers at once: propose by leverage, accept by what the chosen leave over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

CACHE = 2**17  # numbers of the largest temporary; beyond it the passes leave the processor's cache
MEMORY = 2**22  # numbers of the bounds [walkers, N]
PASSED = 16  # proposals of a walker expected to pass the first test of a round, at most


def sample_projections(vectors: Array, chosen: Bools, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the items ``[b, d, k]`` drawn from ``V_J V_Jᵀ`` of each walker, increasing, a bounded group at a time.

    Args:
        vectors: orthonormal columns V ``[b, N, n]``.
        chosen: the k columns J of each walker ``[b, d, n]``.
        rng: generator.
    """
    kernels, draws = chosen.shape[:2]
    k = int(chosen[0, 0].sum())
    walkers = group_size(vectors.shape[1], k)
    together, step = max(1, walkers // draws), min(draws, walkers)
    sets = np.empty((kernels, draws, k), dtype=np.int64)
    for b in range(0, kernels, together):
        columns, squares = vectors[b : b + together], vectors[b : b + together] ** 2
        for d in range(0, draws, step):
            kept = _sample_group(columns, squares, chosen[b : b + together, d : d + step], rng)
            sets[b : b + together, d : d + step] = kept.nonzero()[2].reshape(*kept.shape[:2], k)
    return sets


def group_size(items: int, k: int) -> int:
    """Return how many walkers to carry together: few for large k, so that their bases stay in the cache."""
    return max(1, min(max(8, CACHE // max(1, k * k)), MEMORY // items))


def _sample_group(vectors: Array, squares: Array, chosen: Bools, rng: np.random.Generator) -> Bools:
    r"""Draw from the projection DPPs with kernels $V_J V_J^\top$, one for each walker.

    Items are drawn one after another with probability proportional to their residual, the squared length of
    row i of $V_J$ outside the span of the rows taken. An item is proposed by a bound (its whole squared length,
    0 once taken) and accepted with probability residual / bound: the residual is needed of proposals
    only, never of all N. A residual only shrinks, so a proposal that fails against the basis at the start of a
    round is out for good, and the rest of the round's proposals are walked in order.

    Args:
        vectors: orthonormal columns V ``[b, N, n]``.
        squares: V².
        chosen: the columns J of each walker ``[b, d, n]``, equally many.
        rng: generator.

    Returns:
        ``[b, d, N]``, True for the items drawn, as many as columns were chosen.

    Source: Barthelmé, Tremblay and Amblard, A Faster Sampler for Discrete Determinantal Point Processes,
        AISTATS 2023.
    """
    kernels, items, columns = vectors.shape
    if columns == items and 2 * int(chosen[0, 0].sum()) > items:  # the items left out are a DPP of the other columns
        return ~_sample_group(vectors, squares, ~chosen, rng)
    bound = (chosen @ np.swapaxes(squares, -1, -2)).reshape(-1, items)
    walkers = _Walkers(vectors, chosen, bound)
    while (walkers.left > 0).any():
        walkers.advance(rng)
    return walkers.taken.reshape(kernels, -1, items)


class _Walkers:
    """Half-drawn sets: what each walker took, an orthonormal basis of its rows, and its bounds."""

    def __init__(self, vectors: Array, chosen: Bools, bound: Array) -> None:
        kernels, items, columns = vectors.shape
        self.bound = bound
        self.flat = vectors.ravel()
        self.columns = chosen.nonzero()[2].reshape(len(bound), -1)
        self.first = np.repeat(np.arange(kernels) * items, chosen.shape[1])
        self.width = columns
        size = self.columns.shape[1]
        self.basis = np.zeros((len(bound), size, size))
        self.count = np.zeros(len(bound), dtype=np.int64)
        self.taken = np.zeros(bound.shape, dtype=bool)

    @property
    def left(self) -> NDArray[np.int64]:
        """Items still to draw."""
        return self.columns.shape[1] - self.count

    def advance(self, rng: np.random.Generator) -> None:
        """Make one round of proposals for the walkers that are not done."""
        who = np.flatnonzero(self.left)
        across = np.arange(who.size)[:, None]
        basis = self.basis[who, : self.count.max()]
        proposed = self._propose(who, rng)
        rows = self._rows(who, proposed)
        along = rows @ np.swapaxes(basis, -1, -2)
        residual = np.einsum("wpk,wpk->wp", rows, rows) - np.einsum("wpt,wpt->wp", along, along)
        bound = self.bound[who[:, None], proposed]
        threshold = rng.random(proposed.shape) * bound
        passed = (residual > threshold) & (bound > 0)
        most = int(passed.sum(axis=1).max())
        if most == 0:
            return
        order = np.argsort(~passed, axis=1, kind="stable")[:, :most]
        threshold = np.where(passed, threshold, np.inf)[across, order]
        outside = rows[across, order] - along[across, order] @ basis
        accepted, directions = _walk(outside, threshold, self.left[who])
        self._take(who, proposed[across, order], accepted, directions)

    def _propose(self, who: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        cumulated = np.cumsum(self.bound[who], axis=1)
        most = int(self.left[who].max())
        count = int(np.ceil(cumulated[:, -1].max() / most * min(PASSED, most)))
        uniform = rng.random((who.size, count))
        shift = 2.0 * np.arange(who.size)[:, None]  # one search serves all walkers when their ranges do not meet
        places = np.searchsorted((cumulated / cumulated[:, -1:] + shift).ravel(), uniform + shift, side="right")
        items = self.bound.shape[1]
        return np.asarray(np.minimum(places - items * np.arange(who.size)[:, None], items - 1))

    def _rows(self, who: NDArray[np.int64], proposed: NDArray[np.int64]) -> Array:
        start = (self.first[who][:, None] + proposed) * self.width
        return np.asarray(self.flat.take(start[:, :, None] + self.columns[who][:, None, :]))

    def _take(self, who: NDArray[np.int64], items: NDArray[np.int64], accepted: Bools, directions: Array) -> None:
        local, slot = accepted.nonzero()
        place = (self.count[who][:, None] + accepted.cumsum(axis=1) - 1)[local, slot]
        walker, item = who[local], items[local, slot]
        self.basis[walker, place] = directions[local, slot]
        self.taken[walker, item] = True
        self.bound[walker, item] = 0.0
        self.count[who] += accepted.sum(axis=1)


def _walk(outside: Array, threshold: Array, left: NDArray[np.int64]) -> tuple[Bools, Array]:
    """Accept proposals in order while their residual beats the threshold.

    Gram-Schmidt through the Gram matrix: beside each Cholesky row stands its orthonormal direction.

    Args:
        outside: proposals outside the basis so far ``[w, s, k]``.
        threshold: ``[w, s]``.
        left: most items to accept ``[w]``.

    Returns:
        Accepted ``[w, s]`` and orthonormal directions ``[w, s, k]``, zero where not accepted.
    """
    walkers, steps, _ = outside.shape
    gram = outside @ np.swapaxes(outside, -1, -2)
    beside = np.concatenate([gram, outside], axis=2)
    factor = np.zeros_like(beside)
    accepted = np.zeros((walkers, steps), dtype=bool)
    residual = np.einsum("wss->ws", gram).copy()
    for s in range(steps):
        accepted[:, s] = (residual[:, s] > threshold[:, s]) & (left > accepted[:, :s].sum(axis=1))
        row = beside[:, s]
        if s:
            row = row - (factor[:, None, :s, s] @ factor[:, :s])[:, 0]
        scale = accepted[:, s] / np.sqrt(np.where(accepted[:, s], residual[:, s], 1.0))
        factor[:, s] = row * scale[:, None]
        residual -= factor[:, s, :steps] ** 2
    return accepted, factor[:, :, steps:]
