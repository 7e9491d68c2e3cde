"""Layer-wise adaptive rate scaling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.training.optimizers import OPTIMIZERS, Fraction, NonNegative, Optimizer, Positive, Slots, kept


def local_rate(weight: Tensor, gradient: Tensor, trust: float, weight_decay: float) -> Tensor:
    r"""Return $\eta \lVert w \rVert / (\lVert g \rVert + \beta \lVert w \rVert)$, a scalar.

    It is 1 for biases and norm layers (tensors of one dimension), and where weight or gradient is zero: there the
    formula would hold the tensor at zero for ever, or divide by it.

    Example:
        >>> float(local_rate(torch.full((2, 2), 2.0), torch.full((2, 2), 0.5), trust=0.01, weight_decay=0.25))
        0.019999999552965164
    """
    norm, slope = weight.norm(), gradient.norm()
    scaled = trust * norm / (slope + weight_decay * norm)
    plain = (norm == 0) | (slope == 0) | (weight.ndim < 2)
    return torch.where(plain, torch.ones_like(norm), scaled)


@OPTIMIZERS.register("lars")
class Lars(Optimizer):
    r"""LARS: SGD with momentum and a rate for each tensor in proportion to its norm over its gradient's.

    $v \leftarrow m v + \gamma \lambda (g + \beta w)$, $w \leftarrow w - v$ with
    $\lambda = \eta \lVert w \rVert / (\lVert g \rVert + \beta \lVert w \rVert)$ and $\gamma$ the scheduled ``lr``;
    $\lambda = 1$ for biases and norm layers. Norms are of the kept weights: pruned ones are zero.

    Attributes:
        lr: $\gamma$.
        momentum: $m$.
        weight_decay: $\beta$.
        trust: $\eta$, how far a tensor may move in one step relative to its norm.

    Source: You, Gitman and Ginsburg, Large Batch Training of Convolutional Networks, 2017, algorithm 1.
    """

    lr: Positive = 0.1
    momentum: Fraction = 0.9
    weight_decay: NonNegative = 0.0
    trust: Positive = 1e-3

    def step(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], slots: Sequence[Slots], lr: float) -> None:
        """Change weights tensor by tensor."""
        speeds = kept(slots, "momentum_buffer", weights) if self.momentum else None
        for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            rate = lr * local_rate(weight, gradient, self.trust, self.weight_decay)
            change = gradient.add(weight, alpha=self.weight_decay).mul_(rate)
            weight.sub_(change if speeds is None else speeds[index].mul_(self.momentum).add_(change))
