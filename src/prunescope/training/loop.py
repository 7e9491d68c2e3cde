"""The one training loop.

Every epoch draws its order, its augmentation and its dropout from seeds derived from (seed, epoch). A run
that was stopped after any epoch and goes on from the saved state is therefore bit-identical to one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from prunescope.core.schedule import Schedule
from prunescope.pruning.state import State
from prunescope.training.feed import Feed
from prunescope.training.objectives import Objective
from prunescope.training.optimizers import Optimizer
from prunescope.training.running import Epoch, Event, Run, finite, lowered

Callback = Callable[[Epoch], None]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What happens beside the steps. The network is shown in evaluation mode and is left as it was.

    Args:
        events: by step, the mask from before that step on (at ``until``: after the last step).
        measure: numbers that each epoch's callbacks see.
        done: asked before each epoch; True ends the training.
    """

    events: Mapping[int, Event] = field(default_factory=dict)
    measure: Callable[[nn.Module], Mapping[str, float]] | None = None
    done: Callable[[nn.Module], bool] | None = None


def train(
    net: nn.Module,
    state: State,
    feed: Feed,
    *,
    objective: Objective,
    optimizer: Optimizer,
    schedule: Schedule,
    until: int,
    callbacks: Sequence[Callback] = (),
    beside: Beside | None = None,
    clip: float | None = None,
    precision: Precision = "float32",
) -> State:
    """Train ``net`` from ``state.step`` to step ``until`` of the schedule and return the state reached.

    Gradients of pruned weights are zero at every step and their optimiser slots start at zero, so pruned
    weights stay bitwise zero under any momentum and decay. Frozen parameters get no gradient, and the norm
    layers whose statistics are frozen do not update them.

    Args:
        net: the network; its weights are taken from ``state``.
        state: where training starts.
        feed: the training data.
        objective: made small.
        optimizer: built afresh; its slots are taken from ``state``.
        schedule: factor on the optimiser's ``lr`` by step.
        until: step to end at.
        callbacks: called after each epoch.
        beside: events, measurements and an early end.
        clip: largest norm of the whole gradient, or None.
        precision: of the forward pass; weights and gradients are always float32.

    Raises:
        PrunescopeError: when the loss is no longer finite.
    """
    run = Run(net, state, feed, optimizer, lowered(objective) if precision == "bfloat16" else objective, clip)
    beside = beside or Beside()
    while run.state.step < until and not (beside.done and run.shown(beside.done)):
        epoch = run.state.step // feed.per_epoch
        losses = run.epoch(epoch, until, lambda step: optimizer.lr * schedule(step), beside.events)
        [loss] = finite(losses, epoch, [state.seed])
        measured = run.shown(beside.measure) if beside.measure else {}
        for callback in callbacks:
            callback(run.told(epoch, loss, measured))
    if run.state.step == until and until in beside.events:
        run.thin(beside.events[until])
    return run.reached()
