"""Population: siblings, networks that differ only by seed, trained at once as one batched computation."""

from __future__ import annotations

import copy
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import Schedule
from prunescope.models.taps import evaluating
from prunescope.pruning import Mask
from prunescope.pruning.state import State
from prunescope.training.feed import Feed
from prunescope.training.footprint import out_of_memory
from prunescope.training.loop import Callback, Precision
from prunescope.training.objectives import Batch, Objective
from prunescope.training.optimizers import Optimizer
from prunescope.training.running import Loss, Run, finite, lowered
from prunescope.training.wide import widen

STEPS, TURNS = 4, 4  # of a trial, whose first turn warms up
TRIAL = STEPS * TURNS
AGREE = 1e-3  # relative, of losses in the first steps of a trial; rounding changes them by far less


def train_together(
    net: nn.Module,
    states: Sequence[State],
    feed: Feed,
    *,
    objective: Objective,
    optimizer: Optimizer,
    schedule: Schedule,
    until: int,
    callbacks: Sequence[Sequence[Callback]] = (),
    precision: Precision = "float32",
) -> list[State]:
    """Train siblings from their common step to step ``until`` and return the state that each reached.

    Parameters and statistics are stacked along a first axis, the losses of all are one ``vmap``, and one optimiser
    takes the steps of all. Each network has the images in the order, with the augmentation and the mask that it has
    alone: :func:`prunescope.training.train` reaches the same state up to the rounding of sums in another order, which
    training carries on as it does between two kinds of processor. Pruned weights stay bitwise zero, and what is frozen
    stays bit for bit as it is.

    Args:
        net: one of the networks; its weights are not used.
        states: where each starts.
        feed: the training data of all.
        objective: made small.
        optimizer: one that is elementwise.
        schedule: factor on the optimiser's ``lr`` by step.
        until: step to end at.
        callbacks: of each network, called after each epoch.
        precision: of the forward pass.

    Raises:
        PrunescopeError: for siblings that differ in more than seed, weights and mask, an optimiser that is not
            elementwise, a network that cannot be batched (one with dropout), and when a loss is no longer finite.
    """
    run = _begun(net, states, feed, objective, optimizer, precision)
    while run.state.step < until:
        epoch = run.state.step // feed.per_epoch
        losses = run.epoch(epoch, until, lambda step: optimizer.lr * schedule(step), {})
        told = run.told(epoch, 0.0, {})
        reached = functools.cache(lambda: unstacked(run.reached(), states))
        for index, loss in enumerate(finite(losses, epoch, [state.seed for state in states])):
            state = partial(_of, reached, index)
            own = replace(told, loss=loss, sparsity=states[index].mask.sparsity, state=state)
            for callback in callbacks[index] if callbacks else ():
                callback(own)
    return unstacked(run.reached(), states)


def speed_up(
    net: nn.Module,
    states: Sequence[State],
    feed: Feed,
    *,
    objective: Objective,
    optimizer: Optimizer,
    schedule: Schedule,
    precision: Precision = "float32",
) -> float:
    """Return how much sooner all siblings have taken a few steps together than one after another.

    Measured here and now, on copies: the first network takes :data:`TRIAL` steps alone, in turns with all together.
    Arguments are those of :func:`train_together`.

    Raises:
        PrunescopeError: also when its losses alone and among its siblings are not the same.
    """
    fresh = [replace(state, step=0) for state in states]
    loss = _lowered(objective, precision)
    together = _begun(net, fresh, feed, objective, optimizer, precision)
    alone = Run(net, fresh[0], feed, optimizer, loss, None)
    # A worker has one thread, and what other processes take of its core says nothing about either way.
    clock = time.process_time if together.device.type == "cpu" else time.perf_counter
    seconds: dict[Run, list[float]] = {alone: [], together: []}
    for turn in range(TURNS):
        losses = []
        for run, spent in seconds.items():
            began = clock()
            losses.append(_stepped(run, lambda step: optimizer.lr * schedule(step)))
            spent += [clock() - began] * (turn > 0)
        if turn == 0 and not abs(losses[1] - losses[0]) <= AGREE * abs(losses[0]):
            raise PrunescopeError("siblings do not do together what they do alone", expected=losses[0], got=losses[1])
    return len(states) * min(seconds[alone]) / min(seconds[together])


def stacked(states: Sequence[State]) -> State:
    """Return siblings as one state: every tensor with a first axis of networks, but for counts of steps.

    Raises:
        PrunescopeError: when they differ in position, frozen names, tensors or counts of steps.
    """
    first = states[0]
    for state in states:
        for part in ("step", "frozen"):
            if getattr(state, part) != getattr(first, part):
                raise _not_alike(part, getattr(first, part), getattr(state, part))
        for part in ("weights", "mask", "optimizer"):
            if getattr(state, part).keys() != getattr(first, part).keys():
                raise _not_alike(part, sorted(getattr(first, part)), sorted(getattr(state, part)))
    slots = {key: _stack([state.optimizer[key] for state in states]) for key in first.optimizer}
    for key, slot in slots.items():
        if _counts(key):
            if bool((slot != slot[0]).any()):
                raise _not_alike(key, slot[0].item(), slot.tolist())
            slots[key] = slot[0]
    return replace(
        first,
        weights={name: _stack([state.weights[name] for state in states]) for name in first.weights},
        mask=Mask({name: _stack([state.mask[name] for state in states]) for name in first.mask}),
        optimizer=slots,
    )


def unstacked(whole: State, starts: Sequence[State]) -> list[State]:
    """Return each sibling of a stacked state; seeds and masks are those of ``starts``."""

    def one(index: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor.clone() if _counts(key) else _turned(tensor[index]) for key, tensor in tensors.items()}

    return [
        replace(start, weights=one(index, whole.weights), optimizer=one(index, whole.optimizer), step=whole.step)
        for index, start in enumerate(starts)
    ]


@dataclass(frozen=True, kw_only=True)
class _Feeds(Feed):
    """The batches of several seeds, stacked.

    ``alone`` is the layout that one of the networks takes. ``soft`` gives labels as probabilities: what picks single
    logits goes through Python under ``vmap``, at a tenth of a small step.
    """

    seeds: tuple[int, ...]
    alone: torch.memory_format
    soft: bool

    def layout(self, net: nn.Module) -> torch.memory_format:
        """Put the filters of all networks into the layout of one, as if they were those of one wide network."""
        if self.alone is torch.channels_last:
            for parameter in net.parameters():
                if parameter.ndim == 5:
                    parameter.data = parameter.data.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
        return self.alone

    def laid_out(self, images: Tensor, layout: torch.memory_format) -> Tensor:
        """Return the images ``[networks, n, channels, …]``; channels-last has the channels of all networks last."""
        if layout is torch.channels_last:
            return images.permute(1, 3, 4, 0, 2).contiguous().permute(3, 0, 4, 1, 2)
        return images

    def batches(self, seed: int, epoch: int, *, start: int = 0, count: int | None = None) -> Iterator[Batch]:
        """Yield what each network gets alone, ``[networks, n, …]``."""
        if self.augment or self.views > 1:
            each = (Feed.batches(self, own, epoch, start=start, count=count) for own in self.seeds)
            for batches in zip(*each, strict=True):
                images, labels = (torch.stack(part) for part in zip(*batches, strict=True))
                yield Batch(images, self._softened(labels))
            return
        orders = torch.stack([self.order(own, epoch)[0] for own in self.seeds])
        for indices in torch.split(orders, self.batch, dim=1)[start : None if count is None else start + count]:
            images = self.shown(indices.flatten())
            yield Batch(images.view(*indices.shape, *images.shape[1:]), self._softened(self.data.labels[indices]))

    def _softened(self, labels: Tensor) -> Tensor:
        return torch.eye(len(self.data.classes), device=labels.device)[labels] if self.soft else labels


class _One(nn.Module):
    """The loss of a network as a module, so that ``functional_call`` can give it one sibling's tensors."""

    def __init__(self, net: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, *batch: Tensor) -> Tensor:
        return self.loss(self.net, Batch(*batch))


def _begun(
    net: nn.Module,
    states: Sequence[State],
    feed: Feed,
    objective: Objective,
    optimizer: Optimizer,
    precision: Precision,
) -> Run:
    """Return the one training of all."""
    if not optimizer.elementwise:
        raise PrunescopeError("this optimiser's update is not elementwise", got=optimizer.member_name)
    wide = _widened(net.to(feed.data.images.device), len(states))
    with evaluating(net):
        alone = feed.layout(net)
    seeds = tuple(state.seed for state in states)
    told = {field.name: getattr(feed, field.name) for field in fields(feed)}
    feeds = _Feeds(**told, seeds=seeds, alone=alone, soft=objective.soft)
    return Run(wide, stacked(states), feeds, optimizer, _losses(wide, _lowered(objective, precision)), None)


def _widened(net: nn.Module, count: int) -> nn.Module:
    """Return a copy whose parameters and buffers have a first axis of networks; only ``vmap`` can call it."""

    def wide(tensor: Tensor) -> Tensor:
        copies = _stack([tensor.detach()] * count)
        return nn.Parameter(copies) if isinstance(tensor, nn.Parameter) else copies

    return widen(copy.deepcopy(net, {id(tensor): wide(tensor) for tensor in chain(net.parameters(), net.buffers())}))


def _losses(wide: nn.Module, loss: Loss) -> Loss:
    """Return the losses of all networks, ``[networks]``."""
    one = _One(wide, loss)

    def loss_of(tensors: Mapping[str, Tensor], *batch: Tensor) -> Tensor:
        turned = {name: tensor.mT if tensor.ndim == 2 else tensor for name, tensor in tensors.items()}
        return functional_call(one, turned, batch)  # type: ignore[no-any-return]

    def losses(net: nn.Module, batch: Batch) -> Tensor:
        tensors = dict(chain(one.named_parameters(), one.named_buffers()))
        try:
            with warnings.catch_warnings():  # what torch says where it loops over networks; the trial measures it
                warnings.filterwarnings("ignore", message="There is a performance drop")
                return vmap(loss_of)(tensors, *batch)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            told = str(error).strip().splitlines()[0]
            raise PrunescopeError("this network cannot be trained with its siblings", got=told) from error

    return losses


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors; matrices are turned, for that is how gradients of batched ones come, and copying these costs."""
    return torch.stack([_turned(tensor) for tensor in tensors])


def _turned(tensor: Tensor) -> Tensor:
    return (tensor.mT if tensor.ndim == 2 else tensor).clone(memory_format=torch.contiguous_format)


def _stepped(run: Run, lr: Schedule) -> float:
    """Take a few steps and return the first network's mean loss."""
    until, losses = run.state.step + STEPS, []
    while run.state.step < until:
        losses.append(run.epoch(run.state.step // run.feed.per_epoch, until, lr, {}).view(-1)[0])
    return float(torch.stack(losses).mean())


def _of(reached: Callable[[], Sequence[State]], index: int) -> State:
    return reached()[index]


def _lowered(objective: Objective, precision: Precision) -> Loss:
    return lowered(objective) if precision == "bfloat16" else objective


def _counts(key: str) -> bool:
    """Return whether an optimiser's slot counts steps, as Adam's do, in place of holding something for each weight."""
    return key.endswith("/step")


def _not_alike(part: str, expected: object, got: object) -> PrunescopeError:
    problem = "siblings differ in more than seed, weights and mask"
    return PrunescopeError(problem, expected=expected, got=got, where=part)
