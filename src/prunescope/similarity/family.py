"""A family of similarity values: prepare every layer once, then compare all pairs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, Self

from torch import Tensor

from prunescope.similarity.representation import Matrix, Representation, represent

ENOUGH = 10


class Side(Protocol):
    """A layer made ready for comparison; its examples can be put in another order without preparing again."""

    def permuted(self, order: Tensor) -> Self:
        """Return the side of the same layer with its examples in another order."""
        ...


class SmallSampleWarning(UserWarning):
    """Fewer than ten examples for each feature: canonical correlations of unrelated data are then high."""


class Family(NamedTuple):
    """How one metric, with its options, turns layers into values.

    Attributes:
        prepare: does the work that belongs to one layer (QR, SVD, kernel).
        compare: returns ``[len(xs), len(ys)]`` values of prepared sides, float64.
        features: returns the features of a side that inflate the value when examples are few; None if none do.
    """

    prepare: Callable[[Representation], Any]
    compare: Callable[[Sequence[Any], Sequence[Any]], Tensor]
    features: Callable[[Any], int] | None = None

    def warn_if_small(self, n: int, sides: Sequence[Any], stacklevel: int) -> None:
        """Warn once if the examples are few for the widest side; ``stacklevel`` counts from here."""
        widest = max(self.features(side) for side in sides) if self.features else 0
        if n < ENOUGH * widest:
            warnings.warn(
                f"n = {n} examples for {widest} features: below {ENOUGH} per feature canonical correlations of "
                "unrelated data are high; compare with permutation_floor, or use debiased cka",
                SmallSampleWarning,
                stacklevel=stacklevel,
            )


def pair_value(family: Family, x: Matrix, y: Matrix) -> float:
    """Return the value of one pair, named ``x`` and ``y`` in refusals; called by public functions alone."""
    layers = represent([x, y], ["x", "y"])
    side_x, side_y = (family.prepare(layer) for layer in layers)
    family.warn_if_small(layers[0].n, [side_x, side_y], stacklevel=4)
    return float(family.compare([side_x], [side_y])[0, 0])
