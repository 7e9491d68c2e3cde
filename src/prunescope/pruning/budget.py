"""Budget: how many survive, counted where; and the one selection rule that spends it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.mask import Mask

Scope = Literal["global", "layer"]
WHOLE = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Exact survivor counts: one for the whole network (name ``""``), or one for each tensor.

    Example:
        >>> mask = Mask({"a": torch.ones(10, dtype=torch.bool), "b": torch.ones(5, dtype=torch.bool)})
        >>> Budget.of_total(mask, sparsity=0.5, scope="global").counts
        {'': 7}
        >>> Budget.of_total(mask, sparsity=0.5, scope="layer").counts
        {'a': 5, 'b': 3}
    """

    counts: Mapping[str, int]
    scope: Scope

    @staticmethod
    def of_total(mask: Mask, *, sparsity: float, scope: Scope = "global") -> Budget:
        """Remove ``round(sparsity · n)`` of all n entries, those already pruned included."""
        checked_fraction(sparsity)
        sizes = _sizes(mask, scope)
        return _feasible(mask, {name: n - round(sparsity * n) for name, (_, n) in sizes.items()}, scope)

    @staticmethod
    def of_remaining(mask: Mask, *, remove: float, scope: Scope = "global") -> Budget:
        """Remove ``round(remove · r)`` of the r entries that are still alive."""
        checked_fraction(remove)
        sizes = _sizes(mask, scope)
        return _feasible(mask, {name: r - round(remove * r) for name, (r, _) in sizes.items()}, scope)

    @property
    def kept(self) -> int:
        """Survivors in all."""
        return sum(self.counts.values())


def checked_fraction(sparsity: float) -> float:
    """Return ``sparsity`` if it lies in [0, 1), else refuse."""
    if not isinstance(sparsity, (int, float)) or math.isnan(sparsity) or not 0 <= sparsity < 1:
        raise PrunescopeError("sparsity out of range", expected="0 ≤ sparsity < 1", got=sparsity)
    return float(sparsity)


def select_top(scores: Mapping[str, Tensor], mask: Mask, budget: Budget) -> Mask:
    """Keep the highest scores among the survivors of ``mask``, exactly as many as the budget says.

    Ties are kept in order: earlier tensor of ``scores`` first, then earlier index.

    Args:
        scores: by parameter name, in the network's order; same shapes as the mask.
        mask: what may be kept.
        budget: how many.

    Raises:
        PrunescopeError: for a score that is NaN.
    """
    for name, score in scores.items():
        if bool(torch.isnan(score).any()):
            raise PrunescopeError("a score is NaN", where=name, remedy="Check the weights and the data for NaN")
    groups = [list(scores)] if budget.scope == "global" else [[name] for name in scores]
    chosen: dict[str, Tensor] = {}
    for names in groups:
        flat = torch.cat([scores[name].detach().flatten() for name in names])
        alive = torch.cat([mask[name].flatten().to(flat.device) for name in names])
        count = budget.counts[WHOLE if budget.scope == "global" else names[0]]
        kept = _keep_highest(flat, alive, count)
        parts = torch.split(kept, [scores[name].numel() for name in names])
        chosen |= {name: part.view(scores[name].shape) for name, part in zip(names, parts, strict=True)}
    return Mask(chosen)


def _keep_highest(scores: Tensor, alive: Tensor, count: int) -> Tensor:
    """Return the bool vector of the ``count`` highest alive scores; ties go to the earlier index."""
    candidates = alive.nonzero().flatten()
    kept = torch.zeros_like(alive)
    if count == 0:
        return kept
    values = scores[candidates]
    threshold = values.kthvalue(values.numel() - count + 1).values
    above = values > threshold
    ties = (values == threshold).nonzero().flatten()[: count - int(above.sum())]
    kept[candidates[above]] = True
    kept[candidates[ties]] = True
    return kept


def _sizes(mask: Mask, scope: Scope) -> dict[str, tuple[int, int]]:
    return {WHOLE: (mask.kept, mask.total)} if scope == "global" else mask.counts()


def _feasible(mask: Mask, counts: dict[str, int], scope: Scope) -> Budget:
    for name, (alive, total) in _sizes(mask, scope).items():
        if counts[name] > alive:
            raise PrunescopeError(
                "more is pruned already than the target asks for",
                expected=f"sparsity ≥ {1 - alive / total:.6g}",
                got=f"{1 - counts[name] / total:.6g}",
                where=name,
            )
    return Budget(counts=counts, scope=scope)
