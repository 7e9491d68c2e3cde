"""Calibration: whether the confidence of a network is the share of times it is right."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import bootstrap_weights, centred_interval, half_differences, percentile_interval
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.subject import Populations, Subject, checked_outputs

Array = NDArray[np.float64]
BINS = 15
RESAMPLES = 1000


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> float:
    r"""Return the expected calibration error over equal-width bins of the top-label confidence.

    $\text{ECE} = \sum_b \frac{n_b}{n} |\text{accuracy}_b - \text{confidence}_b|
    = \frac{1}{n} \sum_b |\sum_{i \in b} (\text{right}_i - \text{confidence}_i)|$,
    bin b holding confidences in $((b - 1)/B, b/B]$.

    Args:
        confidence: probability of the predicted class, in [0, 1] ``[examples]``.
        right: 0/1 ``[examples]``.
        bins: number of bins.

    Raises:
        PrunescopeError: for no example, other lengths, or a confidence outside [0, 1].

    Source: Naeini et al., AAAI 2015; Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Example:
        >>> round(expected_calibration_error([0.95, 0.95, 0.55, 0.55], [1, 1, 1, 0]), 3)
        0.05
    """
    sure, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != hits.shape or not sure.size:
        raise PrunescopeError("confidence and right must pair up", expected=sure.shape, got=hits.shape)
    if not ((sure >= 0) & (sure <= 1)).all():
        raise PrunescopeError("a confidence is no probability", expected="0 ≤ confidence ≤ 1", got=sure.max())
    return float(np.abs(_gaps(sure, hits, bins).sum(axis=0)).sum() / sure.size)


def _gaps(confidence: Array, right: Array, bins: int) -> Array:
    """Return right − confidence of each example in the column of its bin, ``[examples, bins]``."""
    column = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    table = np.zeros((confidence.size, bins))
    table[np.arange(confidence.size), column] = right - confidence
    return table


@MEASURES.register("calibration")
class Calibration(Measure):
    """Expected calibration error of the pruned networks, its rise over the dense parents, and the likelihood.

    Each network is measured by itself and the results are averaged. With few examples the error lies too high, in
    dense and pruned networks alike, so the rise suffers less; intervals are centred on the value for that reason.
    The floor of the error and of the likelihood is the dense one; that of the rise is what two halves of the dense
    population differ by.

    Cost: one bootstrap of 1000 resamples; 2–3 s for 30 + 30 networks on 10 000 examples.
    """

    card: ClassVar[Card] = Card(
        title="Calibration",
        scope="populations",
        evidence=frozenset({"logits"}),
        quantities={
            "expected_calibration_error": Quantity(
                unit="share",
                better="lower",
                range=(0, 1),
                meaning="mean distance of confidence from accuracy over 15 equal-width bins; floor: the dense networks",
            ),
            "rise": Quantity(
                unit="share",
                better="lower",
                range=(-1, 1),
                neutral=0,
                meaning="expected calibration error of the pruned networks minus that of their dense parents",
            ),
            "negative_log_likelihood": Quantity(
                unit="nats",
                better="lower",
                range=(0, None),
                meaning="mean of −log probability of the true class; floor: the dense networks",
            ),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        ties="equal logits go to the lowest class",
        source="Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return the three quantities over all networks, and the first two by network."""
        checked_outputs(shown.dense + shown.pruned)
        subjects, size, n = shown.dense + shown.pruned, len(shown.dense), len(shown.labels)
        gaps = np.stack([_subject_gaps(subject) for subject in subjects])
        losses = np.stack([_losses(subject) for subject in subjects])
        errors, likelihoods = np.abs(gaps.sum(axis=1)).sum(axis=1) / n, losses.mean(axis=1)
        error_draws, loss_draws, rows = _draws(gaps, losses, size)
        dense, pruned = error_draws[:, :size], error_draws[:, size:]
        values = _errors(errors[:size], errors[size:], (rows * dense).sum(axis=1), (rows * pruned).sum(axis=1), n)
        values.append(_likelihood(likelihoods, loss_draws, rows, n))
        for index, subject in enumerate(shown.pruned):
            one = slice(index, index + 1)
            values += _errors(
                errors[:size][one], errors[size:][one], dense[:, index], pruned[:, index], n, subject.seed
            )
        return Measurement(values=tuple(values))


def _subject_gaps(subject: Subject) -> Array:
    right = (subject.predictions == subject.labels).double()
    return _gaps(subject.probabilities.amax(dim=1).numpy(), right.numpy(), BINS)


def _losses(subject: Subject) -> Array:
    picked = torch.log_softmax(subject.logits.double(), dim=1).gather(1, subject.labels[:, None])
    return np.asarray(-picked[:, 0].numpy())


def _draws(gaps: Array, losses: Array, size: int) -> tuple[Array, Array, Array]:
    """Return bootstrap draws of error and loss ``[resamples, networks]``, and weights of the ``size`` pairs."""
    networks, n, _ = gaps.shape
    rng = np.random.default_rng(0)
    rows = bootstrap_weights(size, RESAMPLES, rng)
    errors, means = np.empty((RESAMPLES, networks)), np.empty((RESAMPLES, networks))
    step = max(1, min(RESAMPLES, 4_000_000 // n))
    for start in range(0, RESAMPLES, step):
        part = slice(start, min(start + step, RESAMPLES))
        columns = bootstrap_weights(n, part.stop - part.start, rng)
        errors[part] = np.stack([np.abs(columns @ table).sum(axis=1) for table in gaps], axis=1)
        means[part] = columns @ losses.T
    return errors, means, rows


def _errors(
    dense: Array, pruned: Array, dense_draws: Array, pruned_draws: Array, n: int, seed: int | None = None
) -> list[Value]:
    """Return the calibration error and its rise; ``dense`` and ``pruned`` are by network, the draws of their mean."""
    before, after = float(dense.mean()), float(pruned.mean())
    interval = centred_interval(pruned_draws, after, low=0, high=1)
    floor = (before, *centred_interval(dense_draws, before, low=0, high=1))
    rise = centred_interval(pruned_draws - dense_draws, after - before, low=-1, high=1)
    null = (0.0, *percentile_interval(half_differences(dense))) if len(dense) > 1 else None
    return [
        Value.of("expected_calibration_error", after, n, interval=interval, floor=floor, seed=seed),
        Value.of("rise", after - before, n, interval=rise, floor=null, seed=seed),
    ]


def _likelihood(means: Array, draws: Array, rows: Array, n: int) -> Value:
    """Return the negative log-likelihood of the pruned networks, with the dense one as floor."""
    size = rows.shape[1]
    before, after = float(means[:size].mean()), float(means[size:].mean())
    interval = percentile_interval((rows * draws[:, size:]).sum(axis=1))
    floor = (before, *percentile_interval((rows * draws[:, :size]).sum(axis=1)))
    return Value.of("negative_log_likelihood", after, n, interval=interval, floor=floor)
