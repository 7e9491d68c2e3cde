"""The vote of a population of networks on each example, with one rule for ties."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
CELLS_AT_ONCE = 4_000_000


class Modal(NamedTuple):
    """The vote on each example: ``label``, ``tied`` (two labels had most votes), ``share`` of the networks."""

    label: Labels
    tied: NDArray[np.bool_]
    share: Array


def modal_labels(predictions: ArrayLike, probabilities: ArrayLike | None = None) -> Modal:
    """Return the most frequent prediction for each example, whether it was tied, and its share of the votes.

    A tie goes to the class with the largest probability summed over the networks if probabilities are given, else
    (or if these tie too) to the lowest class.

    Args:
        predictions: classes ``[networks, examples]``.
        probabilities: ``[networks, examples, classes]``, or summed over networks ``[examples, classes]``.

    Raises:
        PrunescopeError: for labels that are no whole numbers, or probabilities that do not fit.

    Example:
        >>> vote = modal_labels([[0, 2], [1, 2]], [[0.9, 1.1, 0.0], [0.1, 0.2, 1.7]])
        >>> vote.label.tolist(), vote.tied.tolist(), vote.share.tolist()
        ([1, 2], [True, False], [0.5, 1.0])
    """
    votes = checked_votes(predictions)
    networks, examples = votes.shape
    names, columns = np.unique(votes, return_inverse=True)
    summed = None if probabilities is None else summed_probabilities(probabilities, votes)
    if summed is not None:
        names, columns = np.arange(summed.shape[1]), votes
    cells = columns.reshape(votes.shape) + len(names) * np.arange(examples)
    counts = np.bincount(cells.ravel(), minlength=examples * len(names)).reshape(examples, len(names))
    score = counts if summed is None else counts + summed / (networks + 1)
    most = counts.max(axis=1)
    tied = (counts == most[:, None]).sum(axis=1) > 1
    return Modal(names[score.argmax(axis=1)], tied, most / networks)


def ballots(votes: Labels, probabilities: Array | None = None) -> Array:
    """Return ``[networks, examples, classes]``: 1 for the vote, plus probability / (networks + 1).

    The probabilities of one example weigh less than one vote together, so a weighted sum of ballots is largest at the
    most voted class and, in a tie, at the most probable of them: the rule of :func:`modal_labels` as one product.
    """
    if probabilities is None:
        names, columns = np.unique(votes, return_inverse=True)
        return np.asarray(columns.reshape(votes.shape)[:, :, None] == np.arange(len(names)), dtype=np.float64)
    table = probabilities / (len(votes) + 1)
    voted = votes[:, :, None]
    np.put_along_axis(table, voted, np.take_along_axis(table, voted, axis=2) + 1, axis=2)
    return table


def elected(counts: NDArray[np.floating], cast: NDArray[np.floating]) -> Labels:
    """Return the modal column of ballots ``cast`` for each draw of networks, ``[draws, examples]``.

    Args:
        counts: how often each network is counted, whole numbers ``[draws, networks]``.
        cast: ballots ``[networks, examples, classes]``.
    """
    chosen = np.empty((len(counts), cast.shape[1]), dtype=np.int64)
    step = max(1, CELLS_AT_ONCE // (len(counts) * cast.shape[2]))
    for start in range(0, cast.shape[1], step):
        part = slice(start, start + step)
        chosen[:, part] = np.tensordot(counts, cast[:, part], axes=1).argmax(axis=2)
    return chosen


def checked_votes(predictions: ArrayLike, where: str = "predictions") -> Labels:
    """Return predictions as int64 ``[networks, examples]``, or refuse."""
    votes = np.asarray(predictions)
    if votes.ndim != 2 or not votes.size or votes.dtype.kind not in "iu":
        got = f"{votes.dtype} {list(votes.shape)}"
        raise PrunescopeError("not predictions", expected="whole numbers [networks, examples]", got=got, where=where)
    return votes.astype(np.int64)


def summed_probabilities(probabilities: ArrayLike, votes: Labels) -> Array:
    """Return probabilities summed over networks ``[examples, classes]``, checked against the votes."""
    table = np.asarray(probabilities, dtype=np.float64)
    networks, examples = votes.shape
    fits = table.shape[:-1] in ((examples,), (networks, examples)) and table.size > 0
    if not fits or not 0 <= votes.min() <= votes.max() < table.shape[-1]:
        expected = f"[{examples}, classes] or [{networks}, {examples}, classes], a class for each prediction"
        raise PrunescopeError("probabilities do not fit the predictions", expected=expected, got=list(table.shape))
    summed = table if table.ndim == 2 else table.sum(axis=0)
    if not (summed.min() >= 0 and summed.max() <= networks * (1 + 1e-6)):
        raise PrunescopeError("not probabilities summed over networks", expected=f"0 … {networks}", got=summed.max())
    return np.asarray(summed)
