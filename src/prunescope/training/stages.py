"""Stages: one act each on a State."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.core.schedule import Duration, DurationField
from prunescope.core.seeds import derived_seed
from prunescope.data import AUGMENTATIONS, Augmentation, Dataset, Normalization
from prunescope.pruning import CRITERIA, Budget, Criterion, Evidence, State, choose
from prunescope.pruning.budget import Scope
from prunescope.pruning.state import snapshot
from prunescope.training.feed import Feed
from prunescope.training.learning_rate import LEARNING_RATES, Constant, LearningRate
from prunescope.training.loop import Callback, Epoch, train
from prunescope.training.objectives import OBJECTIVES, CrossEntropy, Objective
from prunescope.training.optimizers import OPTIMIZERS, Optimizer, Sgd

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a stage may use besides the state.

    Args:
        build: returns the network without trained weights.
        split: returns ``train`` or ``validation`` images on the device.
        normalization: of network inputs.
        early: the state a Rewind returns to.
        resume: a state saved inside this stage, to go on from.
        callbacks: called after each epoch of training.
    """

    build: Callable[[], nn.Module]
    split: Callable[[str], Dataset]
    normalization: Normalization
    early: State | None = None
    resume: State | None = None
    callbacks: Sequence[Callback] = field(default_factory=tuple)


class Stage(Member, ABC):
    """State in, State out."""

    @abstractmethod
    def __call__(self, state: State, context: Context) -> State:
        """Return the state after this stage."""


STAGES: Registry[Stage] = Registry("stages")


@STAGES.register("train")
class Train(Stage):
    """Run one schedule from ``state.step`` (0 unless rewound) to ``until``.

    A finished schedule leaves ``step`` 0 and no optimiser state: the next Train begins its own. With ``stop``
    training ends there, and position and optimiser state are kept (this is what a Rewind returns to).
    """

    until: DurationField
    objective: Annotated[Objective, *OBJECTIVES.field()] = CrossEntropy()
    optimizer: Annotated[Optimizer, *OPTIMIZERS.field()] = Sgd()
    lr: Annotated[LearningRate, *LEARNING_RATES.field()] = Constant()
    batch: Annotated[int, Field(ge=1)] = 128
    augment: tuple[Annotated[Augmentation, *AUGMENTATIONS.field()], ...] = ()
    stop: DurationField | None = None

    def __call__(self, state: State, context: Context) -> State:
        """Train and return the state reached."""
        data = context.split("train")
        feed = Feed(data=data, batch=self.batch, normalization=context.normalization, augment=self.augment)
        total = self.until.steps(feed.per_epoch)
        end = total if self.stop is None else self.stop.steps(feed.per_epoch)
        if not 0 <= state.step <= end <= total:
            raise PrunescopeError("training cannot reach its end", expected=f"{state.step} ≤ {end} ≤ {total} steps")
        reached = train(
            context.build(),
            state if context.resume is None else context.resume,
            feed,
            objective=self.objective,
            optimizer=self.optimizer,
            schedule=self.lr.schedule(feed.per_epoch, total),
            until=end,
            callbacks=context.callbacks,
        )
        return reached if end < total else replace(reached, step=0, optimizer={})


@STAGES.register("prune")
class Prune(Stage):
    """Shrink the mask to ``sparsity`` of all prunable weights, or remove a share of what remains."""

    criterion: Annotated[Criterion, *CRITERIA.field()]
    sparsity: Share | None = None
    remove: Share | None = None
    of: Literal["remaining", "total"] = "remaining"
    scope: Scope = "global"

    @model_validator(mode="after")
    def _one_amount(self) -> Prune:
        if self.sparsity is not None and self.remove is not None:
            raise PrunescopeError("two amounts to prune", expected="sparsity or remove", got="both")
        return self

    def sparsity_after(self, before: float) -> float:
        """Return the sparsity this stage leads to, before rounding to whole weights."""
        if self.sparsity is not None:
            return self.sparsity
        if self.remove is None:
            raise PrunescopeError("prune needs an amount", expected="sparsity, remove, or levels of the recipe")
        return before + self.remove * (1 - before) if self.of == "remaining" else before + self.remove

    def __call__(self, state: State, context: Context) -> State:
        """Return the state under the chosen mask."""
        net = state.load_into(context.build())
        if self.remove is not None and self.of == "remaining":
            budget = Budget.of_remaining(state.mask, remove=self.remove, scope=self.scope)
        else:
            budget = Budget.of_total(state.mask, sparsity=self.sparsity_after(state.mask.sparsity), scope=self.scope)
        return state.with_mask(choose(self.criterion, net, state.mask, budget, self._evidence(state, context)))

    def _evidence(self, state: State, context: Context) -> Evidence:
        seed = derived_seed(state.seed, "prune", self.criterion.member_name)
        if not self.criterion.needs_data:
            return Evidence(seed=seed)
        sample = context.split("validation")
        return Evidence(seed=seed, images=context.normalization(sample.images), labels=sample.labels)


@STAGES.register("rewind")
class Rewind(Stage):
    """Go back: ``lr`` to the start of the schedule, ``weights`` also to the weights at ``at`` of the first Train.

    The mask stays; masked weights stay zero; the optimiser starts afresh. After ``weights`` the next Train goes on
    from ``at`` with its schedule fast-forwarded.
    """

    to: Literal["lr", "weights"]
    at: DurationField = Duration()

    def __call__(self, state: State, context: Context) -> State:
        """Return the rewound state."""
        if self.to == "lr":
            return replace(state, step=0, optimizer={})
        if context.early is None:
            raise PrunescopeError("there is no earlier state to rewind to", where="rewind")
        early = replace(state, weights=context.early.weights, step=context.early.step, optimizer={})
        return early.with_mask(state.mask)


@STAGES.register("recalibrate")
class Recalibrate(Stage):
    """Re-estimate batch-norm statistics as plain averages over the training images; weights stay as they are."""

    batch: Annotated[int, Field(ge=2)] = 256

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with fresh statistics."""
        data = context.split("train")
        net = state.load_into(context.build()).to(data.images.device).eval()
        norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        feed = Feed(data=data, batch=self.batch, normalization=context.normalization)
        with torch.no_grad():
            for batch in feed.batches(state.seed, 0):
                net(batch.images)
        return replace(state, weights=snapshot(net))


__all__ = ["STAGES", "Context", "Epoch", "Prune", "Recalibrate", "Rewind", "Stage", "Train"]
