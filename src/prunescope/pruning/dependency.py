"""Which channels of a network are tied together, through the dependency graph of torch-pruning."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import Auxiliary
from prunescope.models.resnet import Subsample
from prunescope.pruning.mask import prunable

SIDES = tuple(dict.fromkeys((32, 28, 8, 16, 64, 224, *range(1, 129))))  # of images, the usual ones first
PROBES = 4  # random images that outputs are compared on
TOLERANCE = 1e-5  # of the largest output

_TYPES = torch_pruning.ops.OPTYPE
_LAYERS = (_TYPES.CONV, _TYPES.LINEAR)
# What keeps channels apart and holds no weights of its own that mix them. "Elementwise" is whatever torch-pruning
# does not know, so that channels() compares outputs before it trusts it.
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

Places = list[tuple[str, list[int], list[int]]]


@dataclass(frozen=True)
class Tied:
    """Channels that a layer writes, each with everything that is tied to it.

    Args:
        written: weights, their rows, and the channel (from 0) that each of the rows writes.
        read: weights, their columns, and the channel that each of the columns reads.
        size: how many channels.
        remove: takes channels out of the traced network for good.
    """

    written: Places
    read: Places
    size: int
    remove: Callable[[list[int]], None]


def removable(net: nn.Module) -> tuple[nn.Module, list[Tied]]:
    """Return a copy of the network in evaluation mode, and its removable channels in the order of their writers.

    Where channels of several sets are to be removed, the later set goes first: it never renumbers an earlier one.

    Raises:
        PrunescopeError: see :func:`prunescope.pruning.channels.channels`.
    """
    traced, graph = _dependencies(net)
    weights = {name: traced.get_submodule(name.rpartition(".")[0]) for name in prunable(net)}
    names = {layer: name for name, layer in weights.items()}
    new = {name: torch.ones(len(layer.get_parameter("weight")), dtype=torch.bool) for name, layer in weights.items()}
    found = []
    for name, layer in weights.items():
        rows = new[name].nonzero().flatten().tolist()
        if not rows or layer not in graph.module2node or graph.module2node[layer].type not in _LAYERS:
            continue
        handler = graph.get_pruner_of_module(layer).prune_out_channels
        group = graph.get_pruning_group(layer, handler, rows)
        written = _places(group, graph.is_out_channel_pruning_fn, (*_LAYERS, _TYPES.DEPTHWISE_CONV), names, rows)
        read = _places(group, graph.is_in_channel_pruning_fn, _LAYERS, names, rows)
        for other, places, _ in written:
            new[other][places] = False
        if read and all(_keeps_apart(item.dep.target) for item in group.items):
            found.append(Tied(written, read, len(rows), partial(_remove, graph, layer, handler, rows)))
    return traced, found


def remove(tied: Sequence[Tied], numbers: Tensor) -> None:
    """Take channels out of the traced network for good; they are numbered through all sets."""
    stop = sum(group.size for group in tied)
    for group in reversed(tied):
        start = stop - group.size
        inside = numbers[(numbers >= start) & (numbers < stop)] - start
        if len(inside):
            group.remove(inside.tolist())
        stop = start


def probes(net: nn.Module) -> Tensor:
    """Return random images that the network takes."""
    example = example_images(net)
    shape, generator = (PROBES, *example.shape[1:]), torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(example)


@torch.no_grad()
def outputs(net: nn.Module, images: Tensor) -> Tensor:
    """Return what a network gives, or refuse what is not one tensor."""
    found = net(images)
    if not isinstance(found, Tensor):
        raise PrunescopeError("the network does not return logits", expected="a tensor", got=type(found).__name__)
    return found


def check_outputs(net: nn.Module, images: Tensor, wanted: Tensor) -> None:
    """Refuse a network that no longer gives what it gave.

    Raises:
        PrunescopeError: for outputs that differ by more than 1e-5 of the largest, or parts that no longer fit.
    """
    try:
        error = float((outputs(net, images) - wanted).abs().max())
    except RuntimeError as broken:
        told = str(broken).splitlines()[0][:200]
        raise PrunescopeError("this network cannot lose channels: its parts no longer fit", got=told) from None
    bound = TOLERANCE * max(1.0, float(wanted.abs().max()))
    if not error <= bound:
        told = "this network cannot lose channels: something in it mixes what looks apart"
        raise PrunescopeError(told, expected=f"outputs within {bound:.1e}", got=f"{error:.1e}")


def _places(
    group: Any, acts: Callable[[Any], bool], types: tuple[Any, ...], names: Mapping[Any, str], rows: list[int]
) -> Places:
    """Return the items of a group that act on one side of a layer of these types."""
    channel = {row: number for number, row in enumerate(rows)}
    items = [item for item in group.items if item.dep.target.type in types and acts(item.dep.handler)]
    for item in items:
        layer = item.dep.target.module
        if max(item.idxs) >= max(layer.get_parameter("weight").shape[:2]):
            raise PrunescopeError("torch-pruning cannot tell the channels of this network apart", where=names[layer])
    return [(names[item.dep.target.module], item.idxs, [channel[row] for row in item.root_idxs]) for item in items]


def _remove(graph: Any, layer: nn.Module, handler: Any, rows: list[int], numbers: list[int]) -> None:
    gone = [rows[number] for number in numbers]
    graph.get_pruning_group(layer, handler, gone).prune(record_history=False)


def _dependencies(net: nn.Module) -> tuple[nn.Module, Any]:
    """Return a copy of the network in evaluation mode and torch-pruning's dependency graph of it.

    Raises:
        PrunescopeError: see :func:`prunescope.pruning.channels.channels`.
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
    _map_shortcuts(graph)
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
    """A :class:`prunescope.models.resnet.Subsample` shortcut that can lose channels.

    Args:
        sources: for each channel of the output the channel of the input that it shows, or -1 for zeros.
    """

    def __init__(self, sources: Tensor) -> None:
        super().__init__()
        self.sources: Tensor
        self.register_buffer("sources", sources, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, len(sources), ⌈h/2⌉, ⌈w/2⌉]``."""
        return x[:, :, ::2, ::2][:, self.sources.clamp(min=0)] * (self.sources >= 0)[:, None, None]


class _PlacedPruner:
    """How torch-pruning removes channels of :class:`Placed`: numbered as in its output, each with what it shows."""

    pruning_dim = 1

    def prune_out_channels(self, layer: Placed, idxs: list[int]) -> nn.Module:
        gone = layer.sources[idxs]
        kept = torch.ones_like(layer.sources, dtype=torch.bool)
        kept[idxs] = False
        layer.sources = layer.sources[kept]
        layer.sources -= ((gone >= 0) & (gone < layer.sources[:, None])).sum(1)
        return layer

    prune_in_channels = prune_out_channels

    def get_out_channels(self, layer: Placed) -> int:
        return len(layer.sources)

    get_in_channels = get_out_channels


@dataclass(frozen=True)
class _Shown:
    """Maps channels of a shortcut's input to those of its output that show them, or back."""

    layer: Placed
    back: bool

    def __call__(self, indices: list[Any]) -> list[Any]:
        sources = self.layer.sources.tolist()
        if self.back:
            return [index._replace(idx=sources[index.idx]) for index in indices if sources[index.idx] >= 0]
        return [index._replace(idx=sources.index(index.idx)) for index in indices if index.idx in sources]


def _map_shortcuts(graph: Any) -> None:
    for node in graph.module2node.values():
        if isinstance(node.module, Placed):
            for dep in (dep for source in node.inputs for dep in source.dependencies if dep.target is node):
                dep.index_mapping[1] = _Shown(node.module, back=False)
            for dep in (dep for dep in node.dependencies if dep.target in node.inputs):
                dep.index_mapping[1] = _Shown(node.module, back=True)


def placed(net: nn.Module) -> nn.Module:
    """Replace, in place, every Subsample shortcut by the :class:`Placed` that gives the same, and return ``net``.

    Heads beside the way to the outputs are taken away: they may read channels that go.
    """
    device = next(net.parameters()).device
    for block in list(net.modules()):
        for name, child in block.named_children():
            if isinstance(child, Subsample):
                setattr(block, name, Placed(child.sources().to(device)))
            elif isinstance(child, Auxiliary):
                setattr(block, name, nn.Identity())
    return net


def _keeps_apart(node: Any) -> bool:
    if node.type in _LAYERS:
        return getattr(node.module, "groups", 1) == 1 and not getattr(node.module, "transposed", False)
    return node.type in _APART or node.type == _TYPES.DEPTHWISE_CONV
