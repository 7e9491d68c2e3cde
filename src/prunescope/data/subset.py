"""A random part of a data set with each class in proportion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_subset(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return the indices, ascending, of ``count`` random examples with each class in proportion.

    The examples of each class are put in random order; the i-th of ``m`` gets the key ``(i + ½) / m``, and the
    smallest keys of all classes are taken.

    Args:
        labels: ``[n]``.
        count: at most n.
        seed: of the order.

    Example:
        >>> labels = np.array([0, 0, 0, 0, 1, 1])
        >>> labels[stratified_subset(labels, 3, seed=0)]
        array([0, 0, 1])
    """
    draws = np.random.default_rng(seed).random(len(labels))
    order = np.lexsort((draws, labels))
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, sizes)
    key = (rank + 0.5) / np.repeat(sizes, sizes)
    return np.sort(order[np.lexsort((draws[order], key))[:count]])
