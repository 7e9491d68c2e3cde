"""Mask: which weights are kept, as an immutable value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import auxiliary

PRUNABLE = (nn.Linear, nn.modules.conv._ConvNd)


class Mask(Mapping[str, Tensor]):
    """A mapping from parameter name to bool tensor; True is kept.

    Args:
        tensors: name to bool tensor; copied, so that later changes outside do not reach the mask.

    Raises:
        PrunescopeError: for a name that is no text or a tensor that is not bool.

    Example:
        >>> mask = Mask({"fc.weight": torch.tensor([[True, False], [False, False]])})
        >>> mask.sparsity, mask.counts()
        (0.75, {'fc.weight': (1, 4)})
    """

    __slots__ = ("_tensors",)

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.dtype != torch.bool:
                got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise PrunescopeError("a mask holds bool tensors by name", got=got, where=str(name))
        self._tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.keys() == other.keys() and all(torch.equal(self[n], other[n].to(self[n].device)) for n in self)

    __hash__ = None  # type: ignore[assignment]  # compared by content, so never a dictionary key

    def __repr__(self) -> str:
        return f"Mask({len(self)} tensors, sparsity {self.sparsity:.4f})"

    def __and__(self, other: Mask) -> Mask:
        """Keep what both keep; the two must cover the same tensors."""
        _same_tensors(self, other)
        return Mask({name: self[name] & other[name].to(self[name].device) for name in self})

    @property
    def total(self) -> int:
        """Number of prunable entries."""
        return sum(tensor.numel() for tensor in self.values())

    @property
    def kept(self) -> int:
        """Number of surviving entries."""
        return sum(kept for kept, _ in self.counts().values())

    @property
    def sparsity(self) -> float:
        """Fraction pruned of the entries the mask covers."""
        return 1.0 - self.kept / self.total if self.total else 0.0

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return ``{name: (kept, total)}``."""
        return {name: (int(tensor.count_nonzero()), tensor.numel()) for name, tensor in self.items()}

    def collapsed(self) -> list[str]:
        """Return the names of tensors with no survivor: layers that pass nothing on."""
        return [name for name, (kept, total) in self.counts().items() if total and not kept]

    def within(self, other: Mask) -> bool:
        """Return whether everything kept here is kept in ``other`` too."""
        _same_tensors(self, other)
        return all(not bool((self[name] & ~other[name].to(self[name].device)).any()) for name in self)

    @torch.no_grad()
    def apply_(self, net: nn.Module) -> nn.Module:
        """Set the pruned weights of ``net`` to zero, in place, and return it."""
        parameters = dict(net.named_parameters())
        for name, tensor in self.items():
            if name not in parameters or parameters[name].shape != tensor.shape:
                got = tuple(parameters[name].shape) if name in parameters else "no such parameter"
                raise PrunescopeError("mask does not fit", expected=tuple(tensor.shape), got=got, where=name)
        for name, tensor in self.items():
            parameters[name].masked_fill_(~tensor.to(parameters[name].device), 0.0)
        return net

    def save(self, path: str | Path) -> None:
        """Write a safetensors file (one byte an entry)."""
        save_file({name: t.to(torch.uint8).cpu().contiguous() for name, t in self.items()}, str(path))

    @staticmethod
    def load(path: str | Path) -> Mask:
        """Read a file written by :meth:`save`.

        Raises:
            PrunescopeError: for a missing, truncated or foreign file, or entries other than 0 and 1.
        """
        try:
            tensors = load_file(str(path))
        except (OSError, SafetensorError) as error:
            raise PrunescopeError("not a mask file", got=str(error), where=str(path)) from None
        for name, tensor in tensors.items():
            if tensor.dtype != torch.uint8 or bool((tensor > 1).any()):
                raise PrunescopeError(
                    "not a mask", expected="entries 0 and 1", got=tensor.dtype, where=f"{path}: {name}"
                )
        return Mask({name: tensor.bool() for name, tensor in tensors.items()})

    @staticmethod
    def full(net: nn.Module) -> Mask:
        """Return the mask of ``net`` that keeps every prunable weight."""
        return Mask({n: torch.ones_like(p, dtype=torch.bool) for n, p in prunable(net).items()})

    @staticmethod
    def from_torch_prune(net: nn.Module) -> Mask:
        """Read the masks that ``torch.nn.utils.prune`` left in ``net`` (buffers named ``weight_mask``).

        Raises:
            PrunescopeError: when there is none.
        """
        suffix = "_mask"
        found = {n.removesuffix(suffix): b != 0 for n, b in net.named_buffers() if n.endswith(suffix)}
        layers = {
            f"{name}.weight" if name else "weight": m for name, m in net.named_modules() if isinstance(m, PRUNABLE)
        }
        found = {name: mask for name, mask in found.items() if name in layers}
        if not found:
            raise PrunescopeError(
                "no torch.nn.utils.prune mask in this network",
                remedy="Mask.from_zeros reads sparsity from zeros",
            )
        whole = {name: torch.ones_like(layer.weight, dtype=torch.bool) for name, layer in layers.items()}
        return Mask({name: found.get(name, whole[name]) for name in layers})

    @staticmethod
    def from_zeros(net: nn.Module) -> Mask:
        """Take every weight that is exactly zero as pruned (an inference, not a record)."""
        return Mask({name: parameter.detach() != 0 for name, parameter in prunable(net).items()})


def prunable(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of convolution and linear layers by name, in the network's order.

    Layers beside the way to the logits, such as the projection head of contrastive training, are left out.

    Raises:
        PrunescopeError: when there is none, or when two layers share one weight (its share is undefined).
    """
    found: dict[str, nn.Parameter] = {}
    seen: dict[int, str] = {}
    aside = auxiliary(net)
    for prefix, module in net.named_modules(remove_duplicate=False):
        counted = isinstance(module, PRUNABLE) and module not in aside
        weight = module._parameters.get("weight") if counted else None
        if weight is None:
            continue
        name = f"{prefix}.weight" if prefix else "weight"
        if id(weight) in seen:
            raise PrunescopeError("two layers share one weight", got=f"{seen[id(weight)]} and {name}")
        seen[id(weight)] = name
        found[name] = weight
    if not found:
        raise PrunescopeError(
            "nothing to prune", expected="a network with Conv or Linear weights", got=type(net).__name__
        )
    return found


def _same_tensors(left: Mask, right: Mask) -> None:
    differing = set(left) ^ set(right) | {n for n in left if n in right and left[n].shape != right[n].shape}
    if differing:
        raise PrunescopeError("masks cover different tensors", got=", ".join(sorted(differing)[:5]))
