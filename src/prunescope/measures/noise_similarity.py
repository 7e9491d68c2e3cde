"""Noise similarity: whether two networks still do the same when the same noise is added to what they see."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


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
