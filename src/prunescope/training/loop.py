"""The one training loop.

Every epoch draws its order, its augmentation and its dropout from seeds derived from (seed, epoch). A run
that was stopped after any epoch and goes on from the saved state is therefore bit-identical to one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import Schedule
from prunescope.core.seeds import derived_seed
from prunescope.pruning.state import State, snapshot
from prunescope.training.feed import Feed
from prunescope.training.objectives import Batch, Objective
from prunescope.training.optimizers import Optimizer


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What a callback sees after an epoch; ``state()`` copies the network and the optimiser."""

    number: int
    step: int
    loss: float
    lr: float
    state: Callable[[], State]


Callback = Callable[[Epoch], None]


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
) -> State:
    """Train ``net`` from ``state.step`` to step ``until`` of the schedule and return the state reached.

    Gradients of pruned weights are zero at every step and their optimiser slots start at zero, so pruned
    weights stay bitwise zero under any momentum and decay. Frozen parameters get no gradient, and the norm
    layers whose statistics are frozen do not update them.

    Raises:
        PrunescopeError: when the loss is no longer finite.
    """
    device = feed.data.images.device
    state.load_into(net).to(device).train()
    parameters = _freeze(net, state.frozen)
    stepper = optimizer.build(parameters.values())
    _restore_slots(stepper, parameters, state.optimizer)
    masked = [(parameters[n], m.to(device, parameters[n].dtype)) for n, m in state.mask.items() if n in parameters]
    step, seed = state.step, state.seed
    while step < until:
        epoch = step // feed.per_epoch
        losses = []
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derived_seed(seed, "network", epoch))
            for batch in feed.batches(seed, epoch, start=step % feed.per_epoch, count=until - step):
                for group in stepper.param_groups:
                    group["lr"] = optimizer.lr * schedule(step)
                losses.append(_step(net, objective, stepper, batch, masked))
                step += 1
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise PrunescopeError(
                "training diverged", got=f"loss {loss}", where=f"epoch {epoch}, seed {seed}", remedy="Lower the lr"
            )
        reached = _Reached(net, stepper, parameters, replace(state, step=step))
        epoch_seen = Epoch(number=epoch, step=step, loss=loss, lr=stepper.param_groups[0]["lr"], state=reached)
        for callback in callbacks:
            callback(epoch_seen)
    return _Reached(net, stepper, parameters, replace(state, step=step))()


def _step(
    net: nn.Module,
    objective: Objective,
    stepper: torch.optim.Optimizer,
    batch: Batch,
    masked: list[tuple[nn.Parameter, Tensor]],
) -> Tensor:
    stepper.zero_grad(set_to_none=True)
    loss = objective(net, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    with_gradient = [(p.grad, m) for p, m in masked if p.grad is not None]
    if with_gradient:
        torch._foreach_mul_([g for g, _ in with_gradient], [m for _, m in with_gradient])
    stepper.step()
    return loss.detach()


def _freeze(net: nn.Module, frozen: frozenset[str]) -> dict[str, nn.Parameter]:
    """Turn gradients and statistics off where frozen; return the parameters that are trained."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name not in frozen)
    for prefix, module in net.named_modules():
        buffers = [f"{prefix}.{name}" if prefix else name for name, _ in module.named_buffers(recurse=False)]
        if buffers and all(name in frozen for name in buffers):
            module.eval()
    trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    if not trained:
        raise PrunescopeError("every parameter is frozen", remedy="Training would change nothing; unfreeze some")
    return trained


def _restore_slots(
    stepper: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], slots: Mapping[str, Tensor]
) -> None:
    for key, tensor in slots.items():
        name, _, slot = key.rpartition("/")
        if name in parameters:
            device = parameters[name].device if tensor.ndim else tensor.device
            stepper.state[parameters[name]][slot] = tensor.to(device, copy=True)


@dataclass(frozen=True)
class _Reached:
    """Copies network and optimiser into a State when called."""

    net: nn.Module
    stepper: torch.optim.Optimizer
    parameters: Mapping[str, nn.Parameter]
    state: State

    def __call__(self) -> State:
        slots = {
            f"{name}/{slot}": value.detach().cpu().clone()
            for name, parameter in self.parameters.items()
            for slot, value in self.stepper.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
        weights = snapshot(self.net)
        for name, kept in self.state.mask.items():
            assert not bool(weights[name][~kept].count_nonzero()), f"a pruned weight of {name} came alive"
        return replace(self.state, weights=weights, optimizer=slots)
