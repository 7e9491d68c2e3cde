"""Rule: the two-layer teacher network that makes labels, and the streams of inputs it labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from prunescope.core.nonlinearity import NONLINEARITIES, Activation
from prunescope.core.seeds import derived_seed

Array = NDArray[np.float64]
Single = NDArray[np.float32]

BLOCK = 32
"""Inputs that are drawn together; the stream of a seed is a sequence of such blocks, each with a seed of its own."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    r"""A teacher $y = \sum_m v^*_m\, g(w^*_m \cdot x / \sqrt N) + \sigma \zeta$ for inputs $x \sim N(0, I_N)$.

    Args:
        w: $w^*$ ``[M, N]`` float32.
        v: $v^*$ ``[M]``.
        noise: σ.
        activation: name of g.
    """

    w: Single
    v: Array
    noise: float
    activation: Activation

    def outputs(self, inputs: NDArray[np.floating]) -> Array:
        """Return y without noise ``[...]`` for inputs ``[..., N]``."""
        fields = (inputs @ self.w.T.astype(inputs.dtype)).astype(np.float64) / math.sqrt(self.w.shape[1])
        return np.asarray(NONLINEARITIES[self.activation].value(fields) @ self.v)


def draw_block(seed: int, block: int, inputs: int) -> tuple[Single, Single]:
    """Return the inputs ``[BLOCK, inputs]`` and standard normal label noise ``[BLOCK]`` of one block of a stream.

    They depend on the seed and the number of the block alone, so that a stream can be entered anywhere and is never
    stored.

    Example:
        >>> x, _ = draw_block(0, block=3, inputs=5)
        >>> x.shape, bool((x == draw_block(0, block=3, inputs=5)[0]).all())
        ((32, 5), True)
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, "inputs", block))
    x = torch.empty(BLOCK, inputs).normal_(generator=generator)
    return x.numpy(), torch.empty(BLOCK).normal_(generator=generator).numpy()


def draw_examples(rule: Rule, seed: int, count: int) -> tuple[Single, Array]:
    """Return the first ``count`` inputs ``[count, N]`` of a stream and their noisy labels ``[count]``."""
    blocks = [draw_block(seed, block, rule.w.shape[1]) for block in range(-(-count // BLOCK))]
    x, noise = (np.concatenate(part)[:count] for part in zip(*blocks, strict=True))
    return x, rule.outputs(x) + rule.noise * noise
