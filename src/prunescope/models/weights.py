"""Foreign weights made plain: dense float32 tensors under the names of the network, with the masks a tool recorded."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from prunescope.core.errors import PrunescopeError

ORIGINAL, MASK = "_orig", "_mask"
# What profilers leave in a state dict; no network computes with it.
LEFTOVERS = ("total_ops", "total_params")
_WRAPPER = "_orig_mod"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors by name, the masks (True is kept) that were recorded with them, and what a reader must know."""

    tensors: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plain_weights(tensors: Mapping[str, Tensor], known: Collection[str]) -> Weights:
    """Return the weights as the network itself would name and hold them.

    Prefixes of wrappers (``module.``, ``_orig_mod.``, any common one that the network does not have) are taken off;
    sparse layouts are filled; quantised and half-precision tensors become float32; ``X_orig`` and ``X_mask`` of
    ``torch.nn.utils.prune`` become X = original × mask.

    Args:
        tensors: by name, as in the file.
        known: names in the network's state dict.

    Raises:
        PrunescopeError: for weights that are not finite or complex, a mask of another shape, or a mask without weights.

    Example:
        >>> held = {"module.fc.weight_orig": torch.ones(2), "module.fc.weight_mask": torch.tensor([1.0, 0.0])}
        >>> plain_weights(held, ["fc.weight"]).tensors
        {'fc.weight': tensor([1., 0.])}
    """
    named = _unwrapped({name: t for name, t in tensors.items() if name.split(".")[-1] not in LEFTOVERS}, known)
    kinds = sorted({_kind(t) for t in named.values()} - {""})
    dense = {name: _plain(name, tensor) for name, tensor in named.items()}
    whole, masks = _masked(dense, known)
    notes = tuple(f"stored as {kind}, computed as float32" for kind in kinds)
    return Weights(tensors=whole, masks=masks, notes=notes)


def plain_module(net: nn.Module) -> tuple[nn.Module, Weights]:
    """Return a float32 copy of ``net`` on the CPU without the hooks of ``torch.nn.utils.prune``, and its weights.

    Wrappers of DataParallel and ``torch.compile`` are taken off. ``net`` is left as it is.

    Raises:
        PrunescopeError: as :func:`plain_weights`, and for a module that cannot be copied.
    """
    while isinstance(inner := getattr(net, _WRAPPER, None) or _parallel(net), nn.Module):
        net = inner
    copied = _copied(net)
    masks = {}
    for path, module in copied.named_modules():
        for name in [n.removesuffix(MASK) for n, _ in module.named_buffers(recurse=False) if n.endswith(MASK)]:
            if hasattr(module, name + ORIGINAL):
                masks[f"{path}.{name}" if path else name] = getattr(module, name + MASK) != 0
                prune.remove(module, name)  # type: ignore[no-untyped-call]
    held = {name: value for name, value in copied.state_dict().items() if isinstance(value, Tensor)}
    weights = plain_weights(held, held)
    return copied.float().cpu(), Weights(tensors=weights.tensors, masks=masks, notes=weights.notes)


def _parallel(net: nn.Module) -> nn.Module | None:
    if isinstance(net, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return cast("nn.Module", net.module)
    return None


def _copied(net: nn.Module) -> nn.Module:
    """Copy a module; weights that a hook computed refuse to be copied unless they are detached first."""
    computed = (v for m in net.modules() for v in vars(m).values() if isinstance(v, Tensor) and not v.is_leaf)
    known: dict[int, object] = {id(value): value.detach().clone() for value in computed}
    try:
        return copy.deepcopy(net, known)
    except Exception as error:  # what a foreign module holds can refuse in its own way
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("the network cannot be copied", got=told, where=type(net).__name__) from error


def _unwrapped(tensors: Mapping[str, Tensor], known: Collection[str]) -> dict[str, Tensor]:
    """Take off the prefixes that wrappers add."""
    named = {".".join(part for part in n.split(".") if part != _WRAPPER): t for n, t in tensors.items()}
    while named:
        heads = {name.partition(".")[0] if "." in name else "" for name in named}
        head = heads.pop()
        if heads or not head or any(name.startswith(f"{head}.") for name in known):
            return named
        named = {name.removeprefix(f"{head}."): tensor for name, tensor in named.items()}
    return named


def _kind(tensor: Tensor) -> str:
    """Return the name of a form that is not computed with, or nothing."""
    if tensor.is_quantized or (tensor.is_floating_point() and tensor.dtype != torch.float32):
        return str(tensor.dtype).removeprefix("torch.")
    return ""


def _plain(name: str, tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        raise PrunescopeError("complex weights", expected="real numbers", got=tensor.dtype, where=name)
    if tensor.is_floating_point():
        tensor = tensor.float()
        wrong = int((~torch.isfinite(tensor)).sum())
        if wrong:
            got = f"{wrong} of {tensor.numel()} NaN or infinite"
            raise PrunescopeError("weights are not finite", got=got, where=name, remedy="The training diverged")
    return tensor


def _masked(tensors: dict[str, Tensor], known: Collection[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Give originals their own name and multiply by the masks that stand beside weights."""
    whole = {name if name in known else name.removesuffix(ORIGINAL): tensor for name, tensor in tensors.items()}
    masks = {}
    for name in [n for n in whole if n.endswith(MASK) and n not in known and n.removesuffix(MASK) in whole]:
        target, mask = name.removesuffix(MASK), whole.pop(name)
        if mask.shape != whole[target].shape:
            got = f"{list(mask.shape)} for {list(whole[target].shape)}"
            raise PrunescopeError("a mask does not fit its weights", got=got, where=target)
        masks[target] = mask != 0
        whole[target] = whole[target] * masks[target]
    return whole, masks
