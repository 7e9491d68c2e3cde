"""Gradients: how hard each example pulls at a network's logits, by cross-entropy and by the softmax mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from prunescope.core.statistics import spread_within
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.subject import Populations, checked_outputs

Array = NDArray[np.float64]


def cross_entropy_pull(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    r"""Return the norm of the gradient of cross-entropy at the logits, $\lVert p - e_y \rVert_2$, of each example.

    Args:
        probabilities: $p$, ``[examples, classes]``.
        labels: $y$, ``[examples]``.

    Source: the EL2N score of Paul et al., Deep Learning on a Data Diet, NeurIPS 2021, equation 4.

    Example:
        >>> cross_entropy_pull(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 0])).round(3)
        array([0.707, 1.414])
    """
    norms: Array = np.linalg.norm(probabilities - np.eye(probabilities.shape[1])[labels], axis=1)
    return norms


def softmax_cross_entropy_pull(probabilities: Array, labels: NDArray[np.int64]) -> Array:
    r"""Return the same for cross-entropy fed with probabilities, which applies softmax once more.

    $\lVert J (\mathrm{softmax}(p) - e_y) \rVert_2$ with $J = \mathrm{diag}(p) - p p^\top$: it vanishes wherever the
    network is sure, also where it is surely wrong.

    Example:
        >>> softmax_cross_entropy_pull(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 0])).round(3)
        array([0.354, 0.   ])
    """
    inner = softmax(probabilities, axis=1) - np.eye(probabilities.shape[1])[labels]
    along = (probabilities * inner).sum(axis=1, keepdims=True)
    norms: Array = np.linalg.norm(probabilities * (inner - along), axis=1)
    return norms


PULLS = {"cross_entropy": cross_entropy_pull, "softmax_cross_entropy": softmax_cross_entropy_pull}


@MEASURES.register("gradients")
class Gradients(Measure):
    """Mean norm of the loss gradient at the logits: of all examples, of those predicted ``right`` and ``wrong``.

    Both losses are taken at the same outputs, whichever the network was trained with. Means over networks, with the
    spread over seeds.

    Cost: O(examples × classes).
    """

    card: ClassVar[Card] = Card(
        title="Gradients at the logits",
        scope="populations",
        evidence=frozenset({"logits"}),
        quantities={
            "cross_entropy": Quantity(
                unit="nats", better="neither", range=(0, 2**0.5), meaning="mean norm under cross-entropy on logits"
            ),
            "softmax_cross_entropy": Quantity(
                unit="nats", better="neither", range=(0, 2**0.5), meaning="mean norm under cross-entropy on softmax"
            ),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        source="Paul et al., Deep Learning on a Data Diet, NeurIPS 2021 (EL2N)",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Measure the pruned networks."""
        checked_outputs(shown.pruned)
        return Measurement(values=tuple(self._values(shown)))

    def _values(self, shown: Populations) -> Iterator[Value]:
        right = [subject.predictions.numpy() == shown.labels for subject in shown.pruned]
        groups = {"": [np.ones_like(flags) for flags in right], "right": right, "wrong": [~flags for flags in right]}
        for name, pull in PULLS.items():
            norms = [pull(subject.probabilities.numpy(), shown.labels) for subject in shown.pruned]
            for item, chosen in groups.items():
                means = [float(n[flags].mean()) for n, flags in zip(norms, chosen, strict=True) if flags.any()]
                if means:
                    n = sum(int(flags.sum()) for flags in chosen)
                    interval = spread_within(means, *self.card.quantities[name].range)
                    yield Value.of(name, float(np.mean(means)), n, interval=interval, item=item)
