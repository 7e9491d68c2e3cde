"""A training while it runs: a network, its optimiser and its mask as they change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import Schedule
from prunescope.core.seeds import derived_seed
from prunescope.models.taps import evaluating
from prunescope.pruning import Mask
from prunescope.pruning.state import State, snapshot
from prunescope.training.feed import Feed
from prunescope.training.objectives import Batch, Objective
from prunescope.training.optimizers import Optimizer

Event = Callable[[nn.Module, Mask], Mask]
Loss = Callable[[nn.Module, Batch], Tensor]
Looked = TypeVar("Looked")


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What a callback sees after an epoch; ``state()`` copies the network and the optimiser."""

    number: int
    step: int
    loss: float
    lr: float
    sparsity: float
    measured: Mapping[str, float]
    state: Callable[[], State]


class Run:
    """A network, its optimiser and its mask while they change; ``state`` holds mask and position."""

    def __init__(
        self, net: nn.Module, state: State, feed: Feed, optimizer: Optimizer, loss: Loss, clip: float | None
    ) -> None:
        self.net, self.state, self.feed, self.loss, self.clip = net, state, feed, loss, clip
        self.device = feed.data.images.device
        state.load_into(net).to(self.device).train()
        self.layout = self.shown(lambda seen: _laid_out(seen, feed.few()))
        self.parameters = _freeze(net, state.frozen)
        self.stepper = optimizer.build(self.parameters.values())
        _restore_slots(self.stepper, self.parameters, state.optimizer)
        self.masked, self.sparsity = self._masked(state.mask)

    def epoch(self, epoch: int, until: int, lr: Schedule, events: Mapping[int, Event]) -> Tensor:
        """Take the steps of one epoch that are left, and return their mean loss, or that of each sibling."""
        step, seed, losses = self.state.step, self.state.seed, []
        with self._own_randomness():
            torch.manual_seed(derived_seed(seed, "network", epoch))
            for batch in self.feed.batches(seed, epoch, start=step % self.feed.per_epoch, count=until - step):
                if step in events:
                    self.thin(events[step])
                for group in self.stepper.param_groups:
                    group["lr"] = lr(step)
                losses.append(self._step(batch))
                step += 1
        self.state = replace(self.state, step=step)
        return torch.stack(losses).mean(0)

    def _step(self, batch: Batch) -> Tensor:
        self.stepper.zero_grad(set_to_none=True)
        loss = self.loss(self.net, batch._replace(images=batch.images.contiguous(memory_format=self.layout)))
        loss.backward(torch.ones_like(loss))  # type: ignore[no-untyped-call]
        with_gradient = [(p.grad, kept) for p, kept in self.masked if p.grad is not None]
        if with_gradient:
            torch._foreach_mul_([gradient for gradient, _ in with_gradient], [kept for _, kept in with_gradient])
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.clip)
        self.stepper.step()
        return loss.detach()

    def thin(self, event: Event) -> None:
        """Take the event's mask: what it prunes becomes zero and loses its optimiser slots."""
        mask = self.shown(lambda net: event(net, self.state.mask))
        assert mask.within(self.state.mask), "an event revived pruned weights"
        self.state = replace(self.state, mask=Mask({name: kept.cpu() for name, kept in mask.items()}))
        self.masked, self.sparsity = self._masked(self.state.mask)
        for parameter, kept in self.masked:
            slots = [s for s in self.stepper.state.get(parameter, {}).values() if isinstance(s, Tensor)]
            for tensor in (parameter.data, *(slot for slot in slots if slot.shape == kept.shape)):
                tensor.masked_fill_(kept == 0, 0.0)

    def shown(self, look: Callable[[nn.Module], Looked]) -> Looked:
        """Return what ``look`` sees in the network in evaluation mode; modes and randomness are left as they were."""
        with evaluating(self.net), self._own_randomness():
            return look(self.net)

    def told(self, epoch: int, loss: float, measured: Mapping[str, float]) -> Epoch:
        """Return what callbacks see."""
        return Epoch(
            number=epoch,
            step=self.state.step,
            loss=loss,
            lr=self.stepper.param_groups[0]["lr"],
            sparsity=self.sparsity,
            measured=measured,
            state=self.reached,
        )

    def reached(self) -> State:
        """Copy network and optimiser into a State."""
        slots = {
            f"{name}/{slot}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, parameter in self.parameters.items()
            for slot, value in self.stepper.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
        weights = {name: weight.contiguous() for name, weight in snapshot(self.net).items()}
        for name, kept in self.state.mask.items():
            assert not bool(weights[name][~kept].count_nonzero()), f"a pruned weight of {name} came alive"
        return replace(self.state, weights=weights, optimizer=slots)

    def _masked(self, mask: Mask) -> tuple[list[tuple[nn.Parameter, Tensor]], float]:
        """Return the trained parameters that are pruned anywhere, with their masks as factors, and the sparsity."""
        names = [name for name, kept in mask.items() if name in self.parameters and not bool(kept.all())]
        trained = ((self.parameters[name], mask[name]) for name in names)
        return [(p, torch.empty_like(p, requires_grad=False).copy_(kept)) for p, kept in trained], mask.sparsity

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            yield


def finite(losses: Tensor, epoch: int, seeds: Sequence[int]) -> list[float]:
    """Return the loss of each network, a number.

    Raises:
        PrunescopeError: when one is none.
    """
    numbers = losses.view(-1).tolist()
    for loss, seed in zip(numbers, seeds, strict=True):
        if not math.isfinite(loss):
            raise PrunescopeError(
                "training diverged", got=f"loss {loss}", where=f"epoch {epoch}, seed {seed}", remedy="Lower the lr"
            )
    return numbers


@torch.no_grad()
def _laid_out(net: nn.Module, images: Tensor) -> torch.memory_format:
    """Put the network into channels-last, in which convolutions are faster, if it can take that (``view`` cannot)."""
    if images.ndim != 4 or not any(parameter.ndim == 4 for parameter in net.parameters()):
        return torch.contiguous_format
    for layout in (torch.channels_last, torch.contiguous_format):
        net.to(memory_format=layout)  # type: ignore[call-overload]
        try:
            net(images.contiguous(memory_format=layout))
        except RuntimeError:
            continue
        return layout
    return torch.contiguous_format


def lowered(objective: Objective) -> Loss:
    """Return the objective with its forward pass in bfloat16 where that is safe."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast(batch.images.device.type, torch.bfloat16):
            return objective(net, batch)

    return loss


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
            parameter = parameters[name]
            like = (
                torch.empty_like(parameter, requires_grad=False) if tensor.shape == parameter.shape else tensor.clone()
            )
            stepper.state[parameter][slot] = like.copy_(tensor)
