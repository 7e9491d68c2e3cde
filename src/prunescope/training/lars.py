"""Layer-wise adaptive rate scaling."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from prunescope.training.optimizers import OPTIMIZERS, Fraction, NonNegative, Optimizer, Positive


class LayerwiseSGD(torch.optim.Optimizer):
    """SGD with momentum whose rate is scaled for each tensor, as :class:`Lars` describes."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float, weight_decay: float, trust: float
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                rate = group["lr"] * local_rate(parameter, parameter.grad, group["trust"], group["weight_decay"])
                change = parameter.grad.add(parameter, alpha=group["weight_decay"]).mul_(rate)
                state = self.state[parameter]
                if "momentum_buffer" in state:
                    change = state["momentum_buffer"].mul_(group["momentum"]).add_(change)
                elif group["momentum"]:
                    state["momentum_buffer"] = change
                parameter.sub_(change)


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

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser with empty state."""
        return LayerwiseSGD(parameters, **self.model_dump())
