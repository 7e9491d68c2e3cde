"""State: one network at one moment of its life, as plain tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.mask import Mask

_PARTS = ("weights", "mask", "optimizer")


@dataclass(frozen=True, kw_only=True)
class State:
    """Weights and buffers, mask, frozen names, optimiser state, position and seed.

    ``step`` counts optimiser steps of the current schedule; ``optimizer`` maps ``parameter/slot`` to a tensor.
    """

    weights: Mapping[str, Tensor]
    mask: Mask
    seed: int
    step: int = 0
    frozen: frozenset[str] = frozenset()
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(net: nn.Module, *, seed: int) -> State:
        """Return the state of a fresh, unpruned network."""
        return State(weights=snapshot(net), mask=Mask.full(net), seed=seed)

    def load_into(self, net: nn.Module) -> nn.Module:
        """Copy weights and buffers into ``net`` and return it."""
        net.load_state_dict(dict(self.weights))
        return net

    def with_mask(self, mask: Mask) -> State:
        """Return the pruned state: pruned weights zero, their optimiser slots cleared, the rest untouched."""
        weights = dict(self.weights)
        for name, kept in mask.items():
            weights[name] = weights[name].masked_fill(~kept, 0.0)
        slots = dict(self.optimizer)
        for key, slot in slots.items():
            name = key.rpartition("/")[0]
            if name in mask and slot.shape == mask[name].shape:
                slots[key] = slot.masked_fill(~mask[name], 0.0)
        return replace(self, weights=weights, mask=mask, optimizer=slots)

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the flat tensors and the text metadata of a safetensors file."""
        tensors = {f"weights/{n}": t for n, t in self.weights.items()}
        tensors |= {f"mask/{n}": t.to(torch.uint8) for n, t in self.mask.items()}
        tensors |= {f"optimizer/{n}": t for n, t in self.optimizer.items()}
        meta = {"seed": str(self.seed), "step": str(self.step), "frozen": json.dumps(sorted(self.frozen))}
        return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, meta

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> State:
        """Rebuild a state written by :meth:`to_tensors`."""
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            if part not in parts:
                raise PrunescopeError("not a state file", expected=" or ".join(_PARTS), got=key)
            parts[part][name] = tensor
        return State(
            weights=parts["weights"],
            mask=Mask({name: tensor.bool() for name, tensor in parts["mask"].items()}),
            optimizer=parts["optimizer"],
            seed=int(meta["seed"]),
            step=int(meta["step"]),
            frozen=frozenset(json.loads(meta["frozen"])),
        )


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    """Return copies of all weights and buffers, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
