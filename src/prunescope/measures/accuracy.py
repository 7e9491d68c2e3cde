"""Accuracy: the share of right predictions, what pruning took of it, and from which class it took most."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.statistics import (
    Interval,
    PairedChange,
    benjamini_hochberg,
    grouped_bootstrap_means,
    half_differences,
    paired_change,
    percentile_interval,
    share_interval,
    simultaneous_interval,
)
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.subject import Populations

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
POINTS = 100.0


class WorstClass(NamedTuple):
    """The largest drop of recall over the classes, its interval, and the class."""

    drop: float
    interval: Interval
    label: int


def recalls(right: Array, labels: Labels) -> Array:
    r"""Return the recall of each network in each class that has examples.

    $\text{recall}_c = \frac{1}{n_c} \sum_{i : y_i = c} \text{right}_i$

    Args:
        right: 0/1 ``[networks, examples]``.
        labels: true classes ``[examples]``.

    Returns:
        ``[networks, classes present]``, classes in rising order.

    Example:
        >>> recalls(np.array([[1.0, 0.0, 1.0]]), np.array([0, 0, 4])).tolist()
        [[0.5, 1.0]]
    """
    return np.stack([right[:, labels == label].mean(axis=1) for label in np.unique(labels)], axis=1)


def worst_class_drop(dense: Array, pruned: Array, labels: Labels, *, seed: int = 0) -> WorstClass:
    r"""Return $\max_c (\text{recall}^\text{dense}_c - \text{recall}^\text{pruned}_c)$, recalls averaged over networks.

    The maximum of noisy values lies too high, the more so the more classes and the fewer examples: compare it
    with its dense-against-dense floor. The interval is a simultaneous one, which allows for the choice.

    Args:
        dense: 0/1 ``[networks, examples]``, right or wrong.
        pruned: the same of the descendants.
        labels: true classes ``[examples]``.
        seed: of the bootstrap.

    Source: Hooker et al., Characterising Bias in Compressed Models, arXiv 2010.03058 (2020).

    Example:
        >>> worst = worst_class_drop(np.ones((1, 4)), np.array([[1.0, 1.0, 0.0, 1.0]]), np.array([3, 3, 7, 7]))
        >>> worst.drop, worst.label
        (0.5, 7)
    """
    drops = (recalls(dense, labels) - recalls(pruned, labels)).mean(axis=0)
    low, high = simultaneous_interval(grouped_bootstrap_means(dense - pruned, labels, seed=seed), drops)
    label = int(np.unique(labels)[drops.argmax()])
    return WorstClass(float(drops.max()), Interval(max(low, -1.0), min(high, 1.0)), label)


@MEASURES.register("accuracy")
class Accuracy(Measure):
    """Accuracy and recall of the pruned networks, and the drops from their own dense parents.

    Shares are means over networks and examples. A drop is dense minus pruned in percentage points, so a positive
    drop is a loss. Its p-value is McNemar's with one network and the two-way bootstrap's with several; over the
    classes it is corrected after Benjamini and Hochberg. The floor of an accuracy is the dense accuracy; the floor
    of a drop is what two halves of the dense population differ by.

    Cost: bootstraps of 1000 resamples; 2–3 s for 30 + 30 networks on 10 000 examples, 0.1 s for one pair.
    """

    card: ClassVar[Card] = Card(
        title="Accuracy",
        scope="populations",
        evidence=frozenset({"logits"}),
        quantities={
            "accuracy": Quantity(
                unit="share",
                better="higher",
                range=(0, 1),
                meaning="share of right predictions; of one class: its recall; floor: the dense networks",
            ),
            "drop": Quantity(
                unit="points",
                better="lower",
                range=(-100, 100),
                neutral=0,
                meaning="accuracy (or recall of a class) of the dense parents minus that of the pruned networks",
            ),
            "worst_class_drop": Quantity(
                unit="points",
                better="lower",
                range=(-100, 100),
                neutral=0,
                meaning="the largest drop of recall over the classes; biased upwards by the choice, see its floor",
            ),
        },
        invariant_to=("network order", "example order", "class relabelling", "logit scale"),
        ties="equal logits go to the lowest class",
        source="McNemar, Psychometrika 12 (1947); Hooker et al., arXiv 2010.03058 (2020)",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return accuracy, drop and worst class over all networks, by network and by class."""
        labels, exact = shown.labels, shown.unchanged
        dense, pruned = (np.asarray(predicted == labels, dtype=np.float64) for predicted in shown.predictions)
        present = np.unique(labels)
        changes = [paired_change(dense[:, labels == c], pruned[:, labels == c], exact=exact) for c in present]
        values = _accuracy_and_drop(dense, pruned, paired_change(dense, pruned, exact=exact))
        values.append(_worst(dense, pruned, labels, changes))
        for before, after, subject in zip(dense, pruned, shown.pruned, strict=True):
            change = paired_change(before, after, exact=exact)
            values += _accuracy_and_drop(before[None], after[None], change, seed=subject.seed)
        corrected = benjamini_hochberg([change.p for change in changes])
        for label, change, p in zip(present, changes, corrected, strict=True):
            part, change = labels == label, change._replace(p=float(p))
            values += _accuracy_and_drop(dense[:, part], pruned[:, part], change, item=shown.classes[label])
        absent = len(shown.classes) - len(present)
        notes = (f"{absent} of {len(shown.classes)} classes have no example here",) if absent else ()
        return Measurement(values=tuple(values), notes=notes)


def _accuracy_and_drop(
    dense: Array, pruned: Array, change: PairedChange, *, item: str = "", seed: int | None = None
) -> list[Value]:
    """Return both quantities of some networks on some examples."""
    n, interval, floor = dense.shape[1], share_interval(pruned), (float(dense.mean()), *share_interval(dense))
    null = (0.0, *percentile_interval(half_differences(dense.mean(axis=1)))) if len(dense) > 1 else None
    value = float(pruned.mean())
    return [
        Value.of("accuracy", value, n, interval=interval, floor=floor, item=item, seed=seed),
        Value.of(
            "drop",
            POINTS * change.value,
            n,
            interval=change.interval,
            floor=null,
            p=change.p,
            scale=POINTS,
            item=item,
            seed=seed,
        ),
    ]


def _worst(dense: Array, pruned: Array, labels: Labels, changes: list[PairedChange]) -> Value:
    """Return the worst class's drop; its interval also holds what no change in a small class can rule out."""
    worst = worst_class_drop(dense, pruned, labels)
    high = max(worst.interval.high, *(change.interval.high for change in changes))
    maxima = half_differences(recalls(dense, labels)).max(axis=1) if len(dense) > 1 else None
    floor = None if maxima is None else (float(maxima.mean()), *percentile_interval(maxima))
    interval = (worst.interval.low, high)
    return Value.of("worst_class_drop", POINTS * worst.drop, len(labels), interval=interval, floor=floor, scale=POINTS)
