"""A trained network from a file of any kind, or from a module in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.models.checkpoint import read_checkpoint
from prunescope.models.fit import fit
from prunescope.models.foreign import logits_only
from prunescope.models.onnx_network import SUFFIX, OnnxNetwork
from prunescope.models.weights import plain_module, plain_weights


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A trained network in evaluation mode, float32, on the CPU.

    ``masks`` (True is kept) are those that its maker recorded, by name of the weight; empty when there are none.
    ``notes`` tell what had to be done to read it.
    """

    net: nn.Module
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class BlackBox(nn.Module):
    """A network that computes, on the CPU, and shows no weights."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._inside = (net,)  # a tuple, so that it is no part of this module

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network returns."""
        return self._inside[0](x.cpu()).to(x.device)  # type: ignore[no-any-return]


def load_file(
    path: str | Path, make: Callable[[], nn.Module] | None, *, trust: bool = False, shrink: bool = False
) -> Loaded:
    """Return the trained network in a file.

    Args:
        path: a state dict (``torch.save`` or safetensors), an ONNX file, or, with ``trust``, a pickled module.
        make: returns the network that a state dict belongs to.
        trust: see :func:`prunescope.models.checkpoint.read_checkpoint`.
        shrink: let the network's layers take smaller shapes, as after filters were removed.

    Raises:
        PrunescopeError: for a file that cannot be read, or does not fit the network.
    """
    if Path(path).suffix == SUFFIX:
        return Loaded(net=OnnxNetwork(path).eval())
    held = read_checkpoint(path, trust=trust)
    if held.module is not None:
        loaded = load_module(held.module)
        return Loaded(net=loaded.net, masks=loaded.masks, notes=held.notes + loaded.notes)
    if make is None:
        raise PrunescopeError("a file of weights needs its network", expected="--model", where=str(path))
    net = make()
    try:
        weights = plain_weights(held.tensors, net.state_dict())
    except PrunescopeError as error:
        raise error.at(str(path)) from None
    smaller = fit(net, weights.tensors, str(path), shrink=shrink)
    notes = ("layers are smaller than the model's: filters were removed",) if smaller else ()
    return Loaded(net=net.float().eval(), masks=weights.masks, notes=held.notes + weights.notes + notes)


def load_module(net: nn.Module) -> Loaded:
    """Return a copy of a trained module with the masks of ``torch.nn.utils.prune`` baked in.

    A module whose state holds more than tensors (a quantised one), or that is a script, is a :class:`BlackBox`.
    """
    if isinstance(net, torch.jit.ScriptModule) or not all(isinstance(v, Tensor) for v in net.state_dict().values()):
        return Loaded(net=BlackBox(copy.deepcopy(net).eval()).eval(), notes=("its weights cannot be read",))
    copied, weights = plain_module(net)
    return Loaded(net=logits_only(copied).eval(), masks=weights.masks, notes=weights.notes)


def untrained(net: nn.Module, seed: int) -> nn.Module:
    """Return a copy of ``net`` at fresh initial weights: every layer that can is told to draw its own again."""
    fresh = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return fresh
