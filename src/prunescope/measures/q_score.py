"""Q-score: how peaked and short the representation of each example is."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.groups import forgotten, group_means, mean_share, separated
from prunescope.measures.subject import Populations, Subject

Array = NDArray[np.float64]
ROWS_AT_ONCE = 256
PARTS = {"q": "Q-score", "z": "z-score of the largest feature", "l1": "ℓ1 norm"}


class Quality(NamedTuple):
    """Q-score ``q``, its parts ``z`` and ``l1``, and whether the latent is ``degenerate`` (constant), by example."""

    q: Array
    z: Array
    l1: Array
    degenerate: NDArray[np.bool_]


def q_score(latents: ArrayLike) -> Array:
    r"""Return $Q = z(\hat h) / \lVert \hat h \rVert_1$ with $\hat h = h / \lVert h \rVert_2$ of each latent.

    $z(\hat h) = (\max \hat h - \operatorname{mean} \hat h) / \operatorname{std} \hat h$, the population deviation. The
    latent is scaled to length 1 first, so networks with features of different size can be compared. A constant
    latent, zero included, has no deviation; its score is 0 (:func:`latent_quality` says which these are).

    Args:
        latents: ``[…, examples, features]``.

    Returns:
        ``[…, examples]``.

    Raises:
        PrunescopeError: for fewer than two axes, no feature, or values that are not finite.

    Source: Kalibhat et al., Measuring Self-Supervised Representation Quality for Downstream Classification using
    Discriminative Features, arXiv 2203.01881 (2022).

    Example:
        >>> one_hot = np.eye(1, 128)
        >>> [round(float(q), 3) for q in q_score(np.concatenate([one_hot, np.ones((1, 128))]))]
        [11.269, 0.0]
    """
    return latent_quality(latents).q


def latent_quality(latents: ArrayLike) -> Quality:
    """Return the Q-score with its parts; arguments and refusals as :func:`q_score`."""
    h = np.asarray(latents)
    if h.ndim < 2 or not h.size:
        raise PrunescopeError("not latents", expected="[…, examples, features]", got=list(h.shape), where="q_score")
    rows = h.reshape(-1, h.shape[-1])
    parts = [_quality(rows[start : start + ROWS_AT_ONCE]) for start in range(0, len(rows), ROWS_AT_ONCE)]
    q, z, l1, degenerate = (np.concatenate(part).reshape(h.shape[:-1]) for part in zip(*parts, strict=True))
    return Quality(q, z, l1, degenerate.astype(bool))


def _quality(rows: NDArray[np.generic]) -> Quality:
    """Return the quality of a few rows, which stay in the processor's cache from step to step."""
    h = rows.astype(np.float64)
    top, low = h.max(axis=1), h.min(axis=1)
    if not (np.isfinite(top).all() and np.isfinite(low).all()):
        raise PrunescopeError("latents are not finite", where="q_score")
    degenerate = top == low
    # Scaled by the largest entry first, so that squares neither overflow nor vanish.
    largest = np.maximum(top, -low)
    h /= np.where(largest > 0, largest, 1)[:, None]
    length = np.sqrt(np.einsum("ij,ij->i", h, h))
    l1 = np.abs(h).sum(axis=1) / np.where(length > 0, length, 1)
    mean = h.mean(axis=1)
    h -= mean[:, None]
    deviation = np.sqrt(np.einsum("ij,ij->i", h, h) / h.shape[1])
    peak = top / np.where(largest > 0, largest, 1) - mean
    z = np.where(degenerate, 0, peak / np.where(deviation > 0, deviation, 1))
    return Quality(np.where(degenerate, 0, z / np.where(l1 > 0, l1, 1)), z, l1, degenerate)


@MEASURES.register("q_score")
class QScore(Measure):
    """Quality of the representations: Q-score, z-score and ℓ1 norm of the latents, of PIEs and of the others.

    The latent is the input of the last linear layer, scaled to length 1. Each number is averaged over networks and
    examples; ``auc`` says how well a low score of the dense networks tells which examples pruning forgets (½: not).

    Cost: 0.5 s for 30 + 30 networks on 10 000 examples of 128 features.
    """

    card: ClassVar[Card] = Card(
        title="Representation quality",
        scope="populations",
        evidence=frozenset({"logits", "latents"}),
        quantities={
            **{
                f"{side}_{part}": Quantity(
                    unit="score",
                    better="neither",
                    range=(0, None),
                    meaning=f"{meaning} of the {side} networks' latents",
                )
                for side in ("dense", "pruned")
                for part, meaning in PARTS.items()
            },
            "degenerate": Quantity(
                unit="share",
                better="lower",
                range=(0, 1),
                meaning="share of latents of the pruned networks that are constant; their scores count as 0",
            ),
            "auc": Quantity(
                unit="share",
                better="neither",
                range=(0, 1),
                meaning="chance that a PIE has a lower Q-score in the dense networks than another example",
            ),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        ties="the vote of a population as in pie",
        source="Kalibhat et al., Measuring Self-Supervised Representation Quality, arXiv 2203.01881 (2022)",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return the means by group, and the mean of each example over the networks as arrays."""
        flags = forgotten(shown) if len(shown.dense) > 1 else np.zeros(len(shown.labels), dtype=bool)
        sides = {"dense": _qualities(shown.dense), "pruned": _qualities(shown.pruned)}
        values: list[Value] = []
        arrays = {}
        for side, quality in sides.items():
            for part in PARTS:
                table = getattr(quality, part)
                values += group_means(f"{side}_{part}", table, flags)
                arrays[f"{side}_{part}"] = table.mean(axis=0)
        values.append(mean_share("degenerate", sides["pruned"].degenerate))
        values += separated("auc", -sides["dense"].q, flags)
        return Measurement(values=tuple(values), arrays={**arrays, "pie": flags})


def _qualities(subjects: tuple[Subject, ...]) -> Quality:
    found = [latent_quality(subject.evidence("latents")["latents"].numpy()) for subject in subjects]
    return Quality(*(np.stack(parts) for parts in zip(*found, strict=True)))
