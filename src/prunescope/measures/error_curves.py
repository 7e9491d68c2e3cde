"""Errors of a curve: every network at every level on every view, and their bootstrap over networks and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from prunescope.core.statistics import bootstrap_weights
from prunescope.measures.subject import Curve

Array = NDArray[np.float64]
RESAMPLES = 1000
# Patterns of the names of views: what a network was trained for, and what it was not.
NOMINAL = ("test*",)
SHIFTED = ("corruption/*", "canonical/*")


@dataclass(frozen=True, kw_only=True)
class ErrorCurves:
    """Which predictions are wrong.

    Args:
        sparsities: ``[levels]``, rising: what the masks remove of the prunable weights, the mean over the networks.
        views: names.
        wrong: for each view 0/1 ``[networks, 1 + levels, examples]``; the dense parent stands first.
        unchanged: ``[levels]``, whether a level's networks give exactly their parents' logits.
    """

    sparsities: Array
    views: tuple[str, ...]
    wrong: tuple[NDArray[np.float32], ...]
    unchanged: tuple[bool, ...]

    @staticmethod
    def of(shown: Curve) -> ErrorCurves:
        """Read the logits and masks of a curve."""
        first = next(iter(shown.views.values()))
        kept = [[subject.state.mask.sparsity for subject in level.pruned] for level in first]
        sparsities = np.array(kept, dtype=np.float64).mean(axis=1)
        order = np.argsort(sparsities, kind="stable")
        wrong = []
        for levels in shown.views.values():
            dense, labels = levels[0].predictions[0], levels[0].labels
            predicted = np.stack([dense, *(levels[i].predictions[1] for i in order)], axis=1)
            wrong.append(np.asarray(predicted != labels, dtype=np.float32))
        unchanged = tuple(all(levels[i].unchanged for levels in shown.views.values()) for i in order)
        return ErrorCurves(
            sparsities=sparsities[order], views=tuple(shown.views), wrong=tuple(wrong), unchanged=unchanged
        )

    @property
    def errors(self) -> Array:
        """Shares of wrong predictions ``[views, networks, 1 + levels]``."""
        return np.stack([table.mean(axis=2, dtype=np.float64) for table in self.wrong])

    def resampled(self, seed: int = 0) -> tuple[Array, Array]:
        """Return weights of networks ``[draws, networks]`` and errors ``[draws, views, networks, 1 + levels]``.

        Views of equally many examples show the same ones, so these are resampled together, and so are the pruned
        networks with their parents.
        """
        rng = np.random.default_rng(seed)
        rows = bootstrap_weights(len(self.wrong[0]), RESAMPLES, rng)
        weights: dict[int, NDArray[np.float32]] = {}
        drawn = []
        for table in self.wrong:
            networks, levels, n = table.shape
            if n not in weights:
                weights[n] = bootstrap_weights(n, RESAMPLES, rng).astype(np.float32)
            drawn.append((weights[n] @ table.reshape(-1, n).T).reshape(RESAMPLES, networks, levels))
        return rows, np.stack(drawn, axis=1).astype(np.float64)

    def group(self, patterns: Sequence[str], *, without: Sequence[str] = ()) -> list[int]:
        """Return the places of the views that match one of the patterns and none of ``without``."""
        return [
            place for place, view in enumerate(self.views) if _matches(view, patterns) and not _matches(view, without)
        ]


def _matches(view: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(view, pattern) for pattern in patterns)


def network_means(rows: Array, values: Array) -> Array:
    """Return ``[draws, …]``, means over the resampled networks of ``values [draws, …, networks]``."""
    return np.asarray(np.einsum("bn,b...n->b...", rows, values))


def interval_around(draws: Array, value: float) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws, widened to hold the value.

    A potential moves in steps and a minimum leans to one side, so the draws need not lie around the value.
    """
    low, high = np.quantile(draws, [0.025, 0.975])
    return min(float(low), value), max(float(high), value)
