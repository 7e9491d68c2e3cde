"""Footprint: how many bytes a training step or a look takes, told without taking them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from prunescope.training.objectives import Batch, Objective

# How much more a process takes than is alive: freed memory in pieces, and what convolutions lay out anew on the way.
# Measured, see docs/results/scale.md.
SCATTER = 1.25
INPUTS = 3  # of a batch: augmented, joined or in another layout, normalised
# Of the parameters: the state before, the network, two slots, the mask, and the state with slots that is kept.
COPIES = 8


def peak_bytes(act: Callable[[], object]) -> int:
    """Return the most bytes that were alive at once of all that operations made while acting, on whatever device.

    Example:
        >>> peak_bytes(lambda: torch.empty(100, device="meta").add(1).mul(2))  # three, but the first is gone by then
        800
    """
    peak = _Peak()
    with peak:
        act()
    return peak.most


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether a device had no memory for a tensor; torch has an error of its own for GPUs alone.

    Example:
        >>> try:
        ...     torch.empty(2**50)
        ... except RuntimeError as error:
        ...     out_of_memory(error)
        True
    """
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def step_bytes(net: nn.Module, images: torch.Size, objective: Objective) -> int:
    r"""Return the bytes that training takes beside its data.

    Activations, gradients and inputs of one step, which is taken on the meta device (it knows sizes and computes
    nothing), with :data:`SCATTER`, and :data:`COPIES` of the parameters.

    Args:
        net: is moved to the meta device.
        images: of one batch, ``[n, channels, height, width]``; all its views are counted.
        objective: what is made small.

    Example:
        >>> from prunescope.training.objectives import CrossEntropy
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> step_bytes(net, torch.Size([100, 1, 8, 8]), CrossEntropy()) // 1000
        131
    """
    net.to("meta").train()
    count = images[0] * objective.views
    labels = torch.empty(count, dtype=torch.int64, device="meta")
    shown = Batch(torch.empty(count, *images[1:], device="meta"), labels)
    try:
        step = peak_bytes(lambda: objective(net, shown).backward())  # type: ignore[no-untyped-call]
    except RuntimeError:  # it looks at numbers, which the meta device has not; its own part is small
        step = peak_bytes(lambda: net(shown.images).sum().backward())
    return int(SCATTER * (step + INPUTS * shown.images.nbytes)) + COPIES * parameter_bytes(net)


def look_bytes(net: nn.Module, images: torch.Size) -> int:
    """Return the bytes that a network takes to look at a batch; see :func:`step_bytes`."""
    shown = torch.empty(images, device="meta")
    net.to("meta").eval()
    with torch.no_grad():
        look = peak_bytes(lambda: net(shown))
    return int(SCATTER * (look + INPUTS * shown.nbytes)) + 2 * parameter_bytes(net)


def parameter_bytes(net: nn.Module) -> int:
    """Return the bytes of a network's parameters."""
    return sum(parameter.nbytes for parameter in net.parameters())


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that operations make, each until it is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given: set[int] = set()
        tree_map_only(Tensor, lambda t: given.add(t.untyped_storage()._cdata), (args, kwargs))
        made = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, lambda t: self._count(t, given), made)
        return made

    def _count(self, tensor: Tensor, given: set[int]) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen and key not in given:
            self._seen.add(key)
            self._now += size
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._now -= size
