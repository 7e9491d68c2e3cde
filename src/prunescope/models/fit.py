"""Putting foreign weights into a network, also into one whose channels were removed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError

SHOWN = 4
_COUNTER = "num_batches_tracked"


def fit(net: nn.Module, tensors: Mapping[str, Tensor], where: str, *, shrink: bool = False) -> bool:
    """Load ``tensors`` into ``net`` and return whether its layers had to be made smaller for it.

    Every weight and buffer of the network must be there, and nothing else; only batch norm's counter, which old files
    lack, may be missing.

    Args:
        net: changed in place.
        tensors: dense, by the network's names.
        where: named by errors.
        shrink: let layers take smaller shapes, as after filters were removed.

    Raises:
        PrunescopeError: with missing and unexpected names, each beside the nearest one, or with shapes that differ.

    Example:
        >>> net = nn.Linear(3, 2)
        >>> fit(net, {"weight": net.weight[:, :2].detach(), "bias": net.bias.detach()}, "here", shrink=True)
        True
    """
    known = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
    missing = [n for n in known if n not in tensors and not n.endswith(_COUNTER)]
    unexpected = [n for n in tensors if n not in known]
    if missing or unexpected:
        raise _misnamed(missing, unexpected, known, where)
    for name, tensor in tensors.items():
        if known[name].is_floating_point() and not tensor.is_floating_point():
            remedy = "Integer weights mean nothing without their scales: export the quantised network as ONNX"
            expected, got = "floating-point weights", f"{tensor.dtype} at {name}".removeprefix("torch.")
            raise PrunescopeError("integer weights", expected=expected, got=got, where=where, remedy=remedy)
    differing = [n for n in tensors if tensors[n].shape != known[n].shape]
    if differing and not (shrink and all(_fits_inside(tensors[n], known[n]) for n in differing)):
        raise _misshapen(differing, tensors, known, where)
    for name in differing:
        _replace(net, name, tensors[name])
    net.load_state_dict(dict(tensors), strict=False)
    return bool(differing)


def _fits_inside(small: Tensor, large: Tensor) -> bool:
    return small.ndim == large.ndim and all(0 < s <= n for s, n in zip(small.shape, large.shape, strict=True))


def _replace(net: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor of another shape in place, and tell its layer."""
    path, _, own = name.rpartition(".")
    layer = net.get_submodule(path)
    if own in layer._buffers:
        layer._buffers[own] = tensor.clone()
    else:
        setattr(layer, own, nn.Parameter(tensor.clone()))
    if own == "weight":
        for attribute, value in _sizes(layer, tensor).items():
            setattr(layer, attribute, value)


def _sizes(layer: Any, weight: Tensor) -> dict[str, Any]:
    """Return the attributes by which a layer knows its sizes."""
    if isinstance(layer, nn.Linear):
        return {"out_features": weight.shape[0], "in_features": weight.shape[1]}
    if isinstance(layer, nn.modules.conv._ConvNd):
        groups = layer.groups
        if groups > 1 and groups == layer.in_channels:  # depthwise: as many groups as channels are left
            groups = weight.shape[0] * layer.groups // layer.out_channels
        return {"groups": groups, "out_channels": weight.shape[0], "in_channels": weight.shape[1] * groups}
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        return {"num_features": len(weight)}
    if isinstance(layer, nn.LayerNorm):
        return {"normalized_shape": tuple(weight.shape)}
    return {"num_channels": len(weight)} if isinstance(layer, nn.GroupNorm) else {}


def _misnamed(missing: list[str], unexpected: list[str], known: Iterable[str], where: str) -> PrunescopeError:
    told = [_listed("missing from the file", missing, unexpected, "file has")] * bool(missing)
    told += [_listed("unexpected in the file", unexpected, missing or list(known), "network has")] * bool(unexpected)
    remedy = "The file is of another architecture, or of the same one written with other names"
    return PrunescopeError("the file does not fit the network", got="; ".join(told), where=where, remedy=remedy)


def _listed(what: str, names: list[str], others: list[str], whose: str) -> str:
    parts = []
    for name in names[:SHOWN]:
        near = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
        parts.append(name + (f" ({whose} {near[0]})" if near else ""))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what}: {', '.join(parts)}{more}"


def _misshapen(
    names: list[str], tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], where: str
) -> PrunescopeError:
    pairs = [f"{n} {list(known[n].shape)} in the network, {list(tensors[n].shape)} in the file" for n in names[:SHOWN]]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    remedy = "The file is of a network with another number of classes, another width or another input size"
    return PrunescopeError("shapes differ", got="; ".join(pairs) + more, where=where, remedy=remedy)
