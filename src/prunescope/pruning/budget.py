"""Budget: how many survive, counted where; and the one selection rule that spends it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.mask import Mask

Scope = Literal["global", "layer"]
Counts = Mapping[str, tuple[int, int]]
WHOLE = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Exact survivor counts: one for the whole network (name ``""``), or one for each tensor.

    What is counted (weights, filters, nodes) is the criterion's unit: a mask counts weights, other units come as
    ``{name: (alive, total)}``, see :meth:`prunescope.pruning.Criterion.counts`.

    Example:
        >>> mask = Mask({"a": torch.ones(10, dtype=torch.bool), "b": torch.ones(5, dtype=torch.bool)})
        >>> Budget.of_total(mask, sparsity=0.5, scope="global").counts
        {'': 7}
        >>> Budget.of_total(mask, sparsity=0.5, scope="layer").counts
        {'a': 5, 'b': 3}
        >>> Budget.of_total({"a": (500, 500)}, sparsity=1 - 226 / 500, scope="layer").counts
        {'a': 226}
    """

    counts: Mapping[str, int]
    scope: Scope

    @staticmethod
    def of_total(units: Mask | Counts, *, sparsity: float, scope: Scope = "global") -> Budget:
        """Remove ``round(sparsity · n)`` of all n units, those already pruned included."""
        checked_fraction(sparsity)
        sizes = _sizes(units, scope)
        return _feasible(sizes, {name: n - round(sparsity * n) for name, (_, n) in sizes.items()}, scope)

    @staticmethod
    def of_remaining(units: Mask | Counts, *, remove: float, scope: Scope = "global") -> Budget:
        """Remove ``round(remove · r)`` of the r units that are still alive."""
        checked_fraction(remove)
        sizes = _sizes(units, scope)
        return _feasible(sizes, {name: r - round(remove * r) for name, (r, _) in sizes.items()}, scope)

    @staticmethod
    def of_layers(units: Counts, kept: Mapping[str, int]) -> Budget:
        """Keep as many units of each layer as ``kept`` says."""
        return _feasible(units, dict(kept), "layer")

    @property
    def kept(self) -> int:
        """Survivors in all."""
        return sum(self.counts.values())

    def shared_out(self, counts: Counts) -> dict[str, int]:
        """Return the survivors of each layer, for criteria that choose layer by layer.

        A global budget keeps the same share of what is alive in every layer; the survivors that rounding down
        leaves over go to the largest remainders (then to the earlier layer), so that the total is exact.

        Example:
            >>> Budget(counts={"": 7}, scope="global").shared_out({"a": (10, 10), "b": (5, 5)})
            {'a': 5, 'b': 2}
        """
        if self.scope == "layer":
            return dict(self.counts)
        alive = {name: kept for name, (kept, _) in counts.items()}
        total = max(sum(alive.values()), 1)
        shares = {name: divmod(self.kept * units, total) for name, units in alive.items()}
        left = self.kept - sum(whole for whole, _ in shares.values())
        first = sorted(shares, key=lambda name: -shares[name][1])[:left]
        return {name: whole + (name in first) for name, (whole, _) in shares.items()}


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
    _refuse_nan(scores)
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


def select_rows(scores: Mapping[str, Tensor], mask: Mask, budget: Budget) -> Mask:
    """Keep the highest scores of each row (the incoming edges of one node), the same number in every row.

    A layer's survivors (see :meth:`Budget.shared_out`) are dealt to its rows by :func:`row_counts`. Ties are kept in
    order of index.

    Args:
        scores: by parameter name; same shapes as the mask, rows first.
        mask: what may be kept.
        budget: how many.

    Raises:
        PrunescopeError: for a score that is NaN.
    """
    _refuse_nan(scores)
    counts = budget.shared_out(mask.counts())
    chosen: dict[str, Tensor] = {}
    for name, score in scores.items():
        alive = mask[name].flatten(1).to(score.device)
        kept = highest_of_rows(score.flatten(1), alive, row_counts(alive.sum(1), counts[name]))
        chosen[name] = kept.view(score.shape)
    return Mask(chosen)


def row_counts(alive: Tensor, count: int) -> Tensor:
    """Return how many of ``count`` survivors each row gets: as equal as the ``alive`` entries of the rows allow.

    What cannot be dealt equally goes to the earlier rows, one each.

    Example:
        >>> row_counts(torch.tensor([9, 9, 1, 9]), 8).tolist()
        [3, 2, 1, 2]
    """
    levels = range(int(alive.max()) + 1)
    level = bisect_right(levels, count, key=lambda level: int(alive.clamp(max=level).sum())) - 1
    counts = alive.clamp(max=level)
    counts[(alive > level).nonzero().flatten()[: count - int(counts.sum())]] += 1
    return counts


def highest_of_rows(scores: Tensor, alive: Tensor, take: Tensor) -> Tensor:
    """Return the bool ``[rows, columns]`` of the ``take`` highest alive scores in each row; ties to the earlier."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    alive_first = alive.gather(1, order).to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, alive_first)
    wanted = torch.arange(scores.shape[1], device=scores.device) < take[:, None]
    return torch.zeros_like(alive).scatter(1, order, wanted)


def _refuse_nan(scores: Mapping[str, Tensor]) -> None:
    for name, score in scores.items():
        if bool(torch.isnan(score).any()):
            raise PrunescopeError("a score is NaN", where=name, remedy="Check the weights and the data for NaN")


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


def _sizes(units: Mask | Counts, scope: Scope) -> Counts:
    counts = units.counts() if isinstance(units, Mask) else units
    if scope == "layer":
        return counts
    return {WHOLE: (sum(alive for alive, _ in counts.values()), sum(total for _, total in counts.values()))}


def _feasible(sizes: Counts, counts: dict[str, int], scope: Scope) -> Budget:
    for name, (alive, total) in sizes.items():
        if counts[name] > alive:
            raise PrunescopeError(
                "more is pruned already than the target asks for",
                expected=f"sparsity ≥ {1 - alive / total:.6g}",
                got=f"{1 - counts[name] / total:.6g}",
                where=name,
            )
    return Budget(counts=counts, scope=scope)
