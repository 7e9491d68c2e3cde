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
from prunescope.training.optimizers import Optimizer, Slots

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
        self.optimizer, self.lr = optimizer, optimizer.lr
        self.device = feed.data.images.device
        state.load_into(net).to(self.device).train()
        self.layout = self.shown(feed.layout)
        self.parameters = _freeze(net, state.frozen)
        self.slots = _slots(self.parameters, state.optimizer)
        self.masked, self.sparsity = self._masked(state.mask)

    def epoch(self, epoch: int, until: int, lr: Schedule, events: Mapping[int, Event]) -> Tensor:
        """Take the steps of one epoch that are left, and return their mean loss, or that of each sibling."""
        step, seed, losses = self.state.step, self.state.seed, []
        with self._own_randomness():
            torch.manual_seed(derived_seed(seed, "network", epoch))
            for batch in self.feed.batches(seed, epoch, start=step % self.feed.per_epoch, count=until - step):
                if step in events:
                    self.thin(events[step])
                self.lr = lr(step)
                losses.append(self._step(batch))
                step += 1
        self.state = replace(self.state, step=step)
        return torch.stack(losses).mean(0)

    def _step(self, batch: Batch) -> Tensor:
        for parameter in self.parameters.values():
            parameter.grad = None
        loss = self.loss(self.net, batch._replace(images=self.feed.laid_out(batch.images, self.layout)))
        loss.sum().backward()  # type: ignore[no-untyped-call]
        pruned = [(self.parameters[name].grad, kept) for name, kept in self.masked.items()]
        with_gradient = [(gradient, kept) for gradient, kept in pruned if gradient is not None]
        if with_gradient:
            torch._foreach_mul_([gradient for gradient, _ in with_gradient], [kept for _, kept in with_gradient])
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.clip)
        self._change_weights()
        return loss.detach()

    @torch.no_grad()
    def _change_weights(self) -> None:
        """Take the optimiser's step with every parameter that has a gradient."""
        changed = [(p, p.grad, self.slots[name]) for name, p in self.parameters.items() if p.grad is not None]
        if changed:
            weights, gradients, slots = zip(*changed, strict=True)
            self.optimizer.step(weights, gradients, slots, self.lr)

    def thin(self, event: Event) -> None:
        """Take the event's mask: what it prunes becomes zero and loses its optimiser slots."""
        mask = self.shown(lambda net: event(net, self.state.mask))
        assert mask.within(self.state.mask), "an event revived pruned weights"
        self.state = replace(self.state, mask=Mask({name: kept.cpu() for name, kept in mask.items()}))
        self.masked, self.sparsity = self._masked(self.state.mask)
        for name, kept in self.masked.items():
            slots = [slot for slot in self.slots[name].values() if slot.shape == kept.shape]
            for tensor in (self.parameters[name].data, *slots):
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
            lr=self.lr,
            sparsity=self.sparsity,
            measured=measured,
            state=self.reached,
        )

    def reached(self) -> State:
        """Copy network and optimiser into a State."""
        slots = {
            f"{name}/{slot}": value.cpu().clone(memory_format=torch.contiguous_format)
            for name, slots in self.slots.items()
            for slot, value in slots.items()
        }
        weights = {name: weight.contiguous() for name, weight in snapshot(self.net).items()}
        for name, kept in self.state.mask.items():
            assert not bool(weights[name][~kept].count_nonzero()), f"a pruned weight of {name} came alive"
        return replace(self.state, weights=weights, optimizer=slots)

    def _masked(self, mask: Mask) -> tuple[dict[str, Tensor], float]:
        """Return the masks of trained parameters that are pruned anywhere, as factors, and the sparsity."""
        pruned = {n: kept for n, kept in mask.items() if n in self.parameters and not bool(kept.all())}
        factors = {n: torch.empty_like(self.parameters[n], requires_grad=False) for n in pruned}
        return {n: factors[n].copy_(kept) for n, kept in pruned.items()}, mask.sparsity

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


def _slots(parameters: Mapping[str, nn.Parameter], told: Mapping[str, Tensor]) -> dict[str, Slots]:
    """Return what the optimiser remembers of each parameter, from a state; tensors like it are laid out as it is."""
    slots: dict[str, Slots] = {name: {} for name in parameters}
    for key, tensor in told.items():
        name, _, slot = key.rpartition("/")
        if name in parameters:
            parameter = parameters[name]
            own = torch.empty_like(parameter, requires_grad=False)
            like = own if tensor.shape == own.shape else torch.empty_like(tensor, device=own.device)
            slots[name][slot] = like.copy_(tensor)
    return slots
