"""Optimisers as data: how a step changes weights.

The updates are torch's own functions, not its classes: these import its compiler, which takes 0.7 s, and spend more
on a step of a small network than the update itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Slots = dict[str, Tensor]


class Optimizer(Member, ABC):
    """How a step changes weights; the schedule multiplies ``lr``."""

    elementwise: ClassVar[bool] = False
    """Whether the step of a weight depends on its own gradients alone."""

    lr: Positive

    @abstractmethod
    def step(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], slots: Sequence[Slots], lr: float) -> None:
        """Change weights in place, without a record for autograd.

        Args:
            weights: tensors of any shapes.
            gradients: one for each.
            slots: what is remembered of each from step to step by name, nothing before its first; changed too.
            lr: the rate of this step.
        """


def kept(slots: Sequence[Slots], name: str, like: Sequence[Tensor]) -> list[Tensor]:
    """Return one slot of each weight; it begins at zero."""
    for slot, weight in zip(slots, like, strict=True):
        if name not in slot:
            slot[name] = torch.zeros_like(weight)
    return [slot[name] for slot in slots]


OPTIMIZERS: Registry[Optimizer] = Registry("optimizers")


@OPTIMIZERS.register("sgd")
class Sgd(Optimizer):
    """Stochastic gradient descent with (Nesterov) momentum and coupled weight decay."""

    elementwise: ClassVar[bool] = True

    lr: Positive = 0.1
    momentum: Fraction = 0.0
    weight_decay: NonNegative = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise PrunescopeError("Nesterov needs momentum", expected="momentum > 0", got=0)
        return self

    def step(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], slots: Sequence[Slots], lr: float) -> None:
        """Change weights as torch's SGD does."""
        sgd(
            list(weights),
            list(gradients),
            [*kept(slots, "momentum_buffer", weights)] if self.momentum else [],
            lr=lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            dampening=0.0,
            maximize=False,
            fused=True,
        )


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015) with coupled weight decay."""

    elementwise: ClassVar[bool] = True

    lr: Positive = 1e-3
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0

    update: ClassVar[Callable[..., None]] = staticmethod(adam)

    def step(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], slots: Sequence[Slots], lr: float) -> None:
        """Change weights as torch's class of that name does."""
        for slot, weight in zip(slots, weights, strict=True):
            if "step" not in slot:
                slot["step"] = torch.zeros((), device=weight.device)
        self.update(
            list(weights),
            list(gradients),
            kept(slots, "exp_avg", weights),
            kept(slots, "exp_avg_sq", weights),
            [],
            [slot["step"] for slot in slots],
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=False,
            maximize=False,
            fused=True,
        )


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    update: ClassVar[Callable[..., None]] = staticmethod(adamw)

    weight_decay: NonNegative = 1e-2
