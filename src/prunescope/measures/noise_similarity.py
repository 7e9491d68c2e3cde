"""Noise similarity: whether two networks still do the same when the same noise is added to what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import bootstrap_interval
from prunescope.data import View
from prunescope.measures.agreement import pseudo_values
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.inference import Draws, Inference
from prunescope.measures.subject import Populations, Subject

Array = NDArray[np.float64]
BY_NETWORK = ("agreement", "softmax_l2")


class NoiseSimilarity(NamedTuple):
    """Tables by example ``[examples]``, means over the draws of noise unless said otherwise.

    Args:
        agreement: share of draws in which both networks predict the same class.
        worst_case: 1 where they do in every draw.
        softmax_l2: Euclidean distance of the probabilities.
        softmax_linf: largest distance of one probability.
        logits_l2: Euclidean distance of the logits.
        logits_linf: largest distance of one logit.
    """

    agreement: Array
    worst_case: Array
    softmax_l2: Array
    softmax_linf: Array
    logits_l2: Array
    logits_linf: Array


def noise_similarity(reference: NDArray[np.floating], other: NDArray[np.floating]) -> NoiseSimilarity:
    r"""Compare two networks on the same noisy images, $\lVert f(x + \epsilon) - g(x + \epsilon) \rVert$ and the like.

    Args:
        reference: logits of one network, ``[draws, examples, classes]``.
        other: logits of the other on the very same noisy images, the same shape.

    Raises:
        PrunescopeError: for shapes that differ or are empty, or logits that are not finite.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021, section 4.

    Example:
        >>> logits = np.array([[[2.0, 0.0]], [[0.0, 1.0]]])
        >>> found = noise_similarity(logits, logits[:, :, ::-1])
        >>> float(found.agreement[0]), float(found.logits_linf[0])
        (0.0, 1.5)
    """
    left, right = (np.asarray(side, dtype=np.float64) for side in (reference, other))
    if left.ndim != 3 or left.shape != right.shape or not left.size:
        got = f"{list(left.shape)} and {list(right.shape)}"
        raise PrunescopeError("logits do not fit", expected="twice [draws, examples, classes]", got=got)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise PrunescopeError("logits are not finite", remedy="A network has diverged")
    same = left.argmax(axis=2) == right.argmax(axis=2)
    softened, raw = softmax(left) - softmax(right), left - right
    return NoiseSimilarity(
        agreement=same.mean(axis=0),
        worst_case=same.all(axis=0).astype(np.float64),
        softmax_l2=np.linalg.norm(softened, axis=2).mean(axis=0),
        softmax_linf=np.abs(softened).max(axis=2).mean(axis=0),
        logits_l2=np.linalg.norm(raw, axis=2).mean(axis=0),
        logits_linf=np.abs(raw).max(axis=2).mean(axis=0),
    )


def softmax(logits: Array) -> Array:
    """Return probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def separate_similarity(logits: Sequence[NDArray[np.floating]]) -> NoiseSimilarity:
    """Return tables ``[networks, examples]`` whose means are those over all pairs of separately trained networks.

    Rows are jackknife pseudo-values, see ``separate_agreement``, so that a bootstrap over networks has the right width.
    """
    networks = range(len(logits))
    pairs = {(i, j): noise_similarity(logits[i], logits[j]) for i in networks for j in networks if i < j}
    found = []
    for place in range(len(NoiseSimilarity._fields)):
        others = [[pairs[min(i, j), max(i, j)][place] for j in networks if j != i] for i in networks]
        found.append(pseudo_values(np.mean(others, axis=1)))
    return NoiseSimilarity(*found)


def _share(meaning: str) -> Quantity:
    return Quantity(unit="share", better="higher", range=(0, 1), neutral=1, meaning=meaning)


def _distance(meaning: str, largest: float | None = None) -> Quantity:
    return Quantity(unit="distance", better="lower", range=(0, largest), neutral=0, meaning=meaning)


@MEASURES.register("noise_similarity")
class NoiseSimilarities(Measure):
    """How alike a pruned network and its dense parent are on views with noise, both shown the very same noisy images.

    The floor is the yardstick: what two separately trained dense networks give on the same noise. A pruned network
    that is closer to its parent than that has kept the parent's function, not only its accuracy. The noise is the
    view's, its size in units of the pixel range; several draws of it are averaged for each image.

    Attributes:
        draws: of the noise.
    """

    draws: Annotated[int, Field(ge=1)] = 10

    card: ClassVar[Card] = Card(
        title="Similarity under noise",
        scope="populations",
        evidence=frozenset({"draws"}),
        quantities={
            "agreement": _share("share of noisy images on which both predict the same class"),
            "worst_case": _share("share of images on which they do in every draw; falls with the number of draws"),
            "softmax_l2": _distance("Euclidean distance of the probabilities", 2**0.5),
            "softmax_linf": _distance("largest distance of one probability", 1),
            "logits_l2": _distance("Euclidean distance of the logits"),
            "logits_linf": _distance("largest distance of one logit"),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        ties="equal logits go to the lowest class",
        source="Liebenwein et al., Lost in Pruning, MLSys 2021",
    )

    def inference(self, kind: str) -> Inference:
        """Return logits under as many draws."""
        return Draws(count=self.draws)

    def sees(self, view: View) -> bool:
        """Return whether the view adds noise."""
        return view.kind == "noise"

    def __call__(self, shown: Populations) -> Measurement:
        """Return the six similarities over all networks, and agreement and softmax distance by network."""
        dense, pruned = ([_logits(subject) for subject in side] for side in (shown.dense, shown.pruned))
        compared = [noise_similarity(before, after) for before, after in zip(dense, pruned, strict=True)]
        yardstick = separate_similarity(dense) if len(dense) > 1 else None
        n = dense[0].shape[1]
        values = []
        for place, quantity in enumerate(NoiseSimilarity._fields):
            table = np.stack([tables[place] for tables in compared])
            floor = None if yardstick is None else _within(yardstick[place], quantity)
            value, *interval = _within(table, quantity)
            values.append(Value.of(quantity, value, n, interval=(interval[0], interval[1]), floor=floor))
            if quantity in BY_NETWORK:
                means = zip(table.mean(axis=1), shown.pruned, strict=True)
                values += [Value.of(quantity, float(mean), n, seed=subject.seed) for mean, subject in means]
        return Measurement(values=tuple(values), notes=(f"{len(dense[0])} draws of the noise for each image",))


def _logits(subject: Subject) -> Array:
    return subject.evidence("draws")["logits"].numpy().astype(np.float64)


def _within(table: Array, quantity: str) -> tuple[float, float, float]:
    """Return mean and interval of a table, cut to the range of its quantity."""
    lowest, highest = NoiseSimilarities.card.quantities[quantity].range
    low, high = bootstrap_interval(table)
    return float(table.mean()), max(lowest or 0.0, low), high if highest is None else min(highest, high)
