"""Channels: what a filter writes and other layers read, found through the dependency graph of torch-pruning."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.models.resnet import Subsample
from prunescope.pruning.mask import Mask, prunable

NOBODY = -1  # the number of a row or column that belongs to no removable channel
SIDES = (32, 28, 8, 16, 64, 224, *(side for side in range(1, 129) if side not in (32, 28, 8, 16, 64)))

_TYPES = torch_pruning.ops.OPTYPE
# What keeps channels apart and holds no weights of its own that mix them. "Elementwise" is whatever torch-pruning
# does not know, so that shrinking compares outputs before it trusts it.
_APART = {
    _TYPES.BN,
    _TYPES.PRELU,
    _TYPES.IN,
    _TYPES.CONCAT,
    _TYPES.SPLIT,
    _TYPES.SLICE,
    _TYPES.RESHAPE,
    _TYPES.ELEMENTWISE,
    _TYPES.CUSTOMIZED,
}


@dataclass(frozen=True)
class Channels:
    """The removable channels of a network, numbered through, and what writes and reads each.

    A channel is one output of a layer together with everything that is tied to it: a residual sum ties channels of
    all layers that are added up, a concatenation hands each on to many readers, flattening makes several columns of
    one. It is written by rows (filters) of weights and read by columns of others.

    Args:
        groups: the numbers of each set of channels, by the name of the first weight that writes them.
        rows: by weight, the channel that each row writes, ``[outputs]``; -1 where it writes none.
        columns: by weight, the channel that each column reads, ``[inputs]``; -1 where it reads none.
    """

    groups: Mapping[str, range]
    rows: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]

    def members(self, group: str) -> set[str]:
        """Return the weights that write or read the channels of a group."""
        numbers = self.groups[group]
        found = [
            name for side in (self.rows, self.columns) for name in side if bool(_inside(side[name], numbers).any())
        ]
        return set(found)

    def covered_by(self, mask: Mask) -> Channels:
        """Return the channels all of whose weights ``mask`` covers; the rest cannot be removed under it."""
        groups = {name: numbers for name, numbers in self.groups.items() if self.members(name) <= mask.keys()}
        return Channels(groups, self.rows, self.columns)

    def alive(self, mask: Mask) -> Mask:
        """Return which channels of each group have any weight left that writes or reads them."""
        written = {name: mask[name].flatten(1).any(1) for name in self.rows if name in mask}
        read = {name: mask[name].transpose(0, 1).flatten(1).any(1) for name in self.columns if name in mask}
        told = self._told("amax", ((self.rows, written), (self.columns, read)))
        return Mask({name: flags.bool() for name, flags in told.items()})

    def keep(self, mask: Mask, kept: Mask) -> Mask:
        """Return ``mask`` without the rows that write and the columns that read a channel that is not ``kept``."""
        stays = torch.ones(self._total + 1, dtype=torch.bool)  # the last place is that of nobody
        for name, numbers in self.groups.items():
            stays[numbers.start : numbers.stop] = kept[name].cpu()
        tensors = dict(mask)
        for dimension, side in enumerate((self.rows, self.columns)):
            for name in (name for name in side if name in mask):
                shape = [1] * mask[name].ndim
                shape[dimension] = -1
                tensors[name] = tensors[name] & stays[side[name]].view(shape).to(mask[name].device)
        return Mask(tensors)

    def summed(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return for each channel the sum of what is told of the rows that write it, ``[channels]`` by group."""
        return self._told("sum", ((self.rows, rows),))

    def largest(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return for each channel the largest, at least 0, that is told of the columns that read it, by group."""
        return self._told("amax", ((self.columns, columns),))

    @property
    def _total(self) -> int:
        return max((numbers.stop for numbers in self.groups.values()), default=0)

    def _told(self, how: str, sides: Iterable[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]) -> dict[str, Tensor]:
        """Return what rows and columns tell of their channels, by group, in float64."""
        found = torch.zeros(self._total + 1, dtype=torch.float64)
        for numbers, told in sides:
            for name, values in told.items():
                places = numbers[name] % len(found)  # that of nobody is the last
                found.scatter_reduce_(0, places, values.cpu().double(), how)
        return {name: found[numbers.start : numbers.stop] for name, numbers in self.groups.items()}


def channels(net: nn.Module) -> Channels:
    """Return the removable channels of a network; it is not changed.

    Left out are the outputs of the network itself, and channels that a layer mixes which cannot lose one alone
    (grouped convolutions, layer and group norm, attention, recurrent layers). Zero channels that a
    :class:`prunescope.models.resnet.Subsample` shortcut adds do not tie its input to its output.

    Raises:
        PrunescopeError: for a network whose input nobody can guess, that cannot be traced, or that pads channels by
            itself.

    Source: Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2))
        >>> found = channels(net)
        >>> found.groups, found.columns["3.weight"][:10].tolist()
        ({'0.weight': range(0, 4)}, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    """
    weights = prunable(net)
    traced, graph = dependencies(net)
    names = {module: f"{name}.weight" if name else "weight" for name, module in traced.named_modules()}
    rows = {name: torch.full((len(weight),), NOBODY) for name, weight in weights.items()}
    columns = {name: torch.full((weight.shape[1],), NOBODY) for name, weight in weights.items()}
    order = list(weights)
    found = sorted(
        (group for group in graph.get_all_groups() if all(_keeps_apart(dep.target) for dep, _ in group.items)),
        key=lambda group: min(order.index(name) for name, _ in _written(graph, group, names)),
    )
    groups: dict[str, range] = {}
    total = 0
    for group in found:
        written, read = list(_written(graph, group, names)), list(_read(graph, group, names))
        if not read:
            continue
        numbers = range(total, total + len(group[0].idxs))
        groups[min((name for name, _ in written), key=order.index)] = numbers
        total = numbers.stop
        for side, items in ((rows, written), (columns, read)):
            for name, item in items:
                side[name][item.idxs] = numbers.start + torch.tensor(item.root_idxs)
    return Channels(groups, *({n: side for n, side in sides.items() if (side >= 0).any()} for sides in (rows, columns)))


def dependencies(net: nn.Module) -> tuple[nn.Module, Any]:
    """Return a copy of the network in evaluation mode and torch-pruning's dependency graph of it.

    Raises:
        PrunescopeError: see :func:`channels`.
    """
    traced = placed(copy.deepcopy(net)).eval().requires_grad_(True)
    example = example_images(traced)
    try:
        with torch.enable_grad():
            graph = torch_pruning.DependencyGraph().build_dependency(
                traced, example, customized_pruners={Placed: _PlacedPruner()}, verbose=False
            )
    except Exception as error:  # whatever tracing stumbles over
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("the network cannot be traced, so that its channels are not known", got=told) from None
    for node in graph.module2node.values():
        if any(getattr(node.grad_fn, "_saved_pad", ())[4:]):
            raise PrunescopeError("this network pads channels, which ties them in a way nobody can tell", got=node.name)
    return traced, graph


@torch.no_grad()
def example_images(net: nn.Module) -> Tensor:
    """Return one empty image that the network takes: of a usual size, or as many numbers as its first layer.

    Raises:
        PrunescopeError: when there is none.
    """
    first = next(iter(prunable(net).values()))
    spatial = first.ndim - 2
    sides = SIDES if spatial else (0,)
    for side in sides:
        image = first.new_zeros(1, first.shape[1], *[side] * spatial)
        try:
            net(image)
        except (RuntimeError, ValueError, TypeError, IndexError):
            continue
        return image
    expected = f"[1, {first.shape[1]}, side, side] with a side up to {max(SIDES)}" if spatial else [1, first.shape[1]]
    raise PrunescopeError("no image is known that this network takes", expected=expected, got=type(net).__name__)


class Placed(nn.Module):
    """A :class:`prunescope.models.resnet.Subsample` shortcut that can lose channels on either side.

    Args:
        sources: for each channel of the output the channel of the input that it shows, or -1 for zeros.
    """

    def __init__(self, sources: Tensor) -> None:
        super().__init__()
        self.sources: Tensor
        self.register_buffer("sources", sources, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, len(sources), ⌈h/2⌉, ⌈w/2⌉]``."""
        shown = (self.sources >= 0)[:, None, None]
        return x[:, :, ::2, ::2][:, self.sources.clamp(min=0)] * shown


class _PlacedPruner:
    """How torch-pruning removes channels of :class:`Placed`: those of one side do not tie those of the other."""

    pruning_dim = 1

    def prune_in_channels(self, layer: Placed, idxs: list[int]) -> nn.Module:
        gone = torch.isin(layer.sources, torch.tensor(idxs))
        before = torch.tensor([int(index) for index in layer.sources])
        shift = (torch.tensor(idxs)[None] < before[:, None]).sum(1)
        layer.sources = torch.where(gone | (before < 0), -1, before - shift)
        return layer

    def prune_out_channels(self, layer: Placed, idxs: list[int]) -> nn.Module:
        kept = torch.ones(len(layer.sources), dtype=torch.bool)
        kept[idxs] = False
        layer.sources = layer.sources[kept]
        return layer

    def get_in_channels(self, layer: Placed) -> None:
        return None

    def get_out_channels(self, layer: Placed) -> int:
        return len(layer.sources)


def placed(net: nn.Module) -> nn.Module:
    """Replace, in place, every Subsample shortcut by the :class:`Placed` that gives the same, and return ``net``."""
    for block in list(net.modules()):
        for name, child in block.named_children():
            if isinstance(child, Subsample):
                setattr(block, name, Placed(child.sources()))
    return net


def _inside(numbers: Tensor, group: range) -> Tensor:
    return (numbers >= group.start) & (numbers < group.stop)


def _keeps_apart(node: Any) -> bool:
    if node.type in (_TYPES.CONV, _TYPES.LINEAR):
        return getattr(node.module, "groups", 1) == 1 and not getattr(node.module, "transposed", False)
    return node.type in _APART or node.type == _TYPES.DEPTHWISE_CONV


def _written(graph: Any, group: Any, names: Mapping[Any, str]) -> Iterator[tuple[str, Any]]:
    """Yield the weights whose rows write the channels of a group, each with torch-pruning's item."""
    for item in group.items:
        node, acts = item.dep.target, graph.is_out_channel_pruning_fn(item.dep.handler)
        if acts and node.type in (_TYPES.CONV, _TYPES.LINEAR, _TYPES.DEPTHWISE_CONV):
            yield names[node.module], item


def _read(graph: Any, group: Any, names: Mapping[Any, str]) -> Iterator[tuple[str, Any]]:
    """Yield the weights whose columns read the channels of a group, each with torch-pruning's item."""
    for item in group.items:
        node, acts = item.dep.target, graph.is_in_channel_pruning_fn(item.dep.handler)
        if acts and node.type in (_TYPES.CONV, _TYPES.LINEAR):
            yield names[node.module], item
