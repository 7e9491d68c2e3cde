"""The contract of a pruning criterion, what it may look at, and the one checked way to call it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.pruning.budget import WHOLE, Budget
from prunescope.pruning.mask import Mask
from prunescope.pruning.statistic import Statistic

Unit = Literal["weight", "filter", "node"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a criterion may look at besides the network: a seed, and a sample of images with labels.

    ``images`` are what the network takes (normalised float), ``labels`` int64; ``stored`` is the criterion's statistic
    where it was computed before.
    """

    seed: int = 0
    images: Tensor | None = None
    labels: Tensor | None = None
    stored: Mapping[str, Tensor] | None = None

    def generator(self) -> torch.Generator:
        """Return a fresh generator at this seed."""
        return torch.Generator().manual_seed(self.seed)

    def sample(self) -> tuple[Tensor, Tensor]:
        """Return images and labels, or refuse when there are none."""
        if self.images is None or self.labels is None:
            raise PrunescopeError("this criterion looks at data", expected="data=(images, labels)", got="none")
        return self.images, self.labels

    def of(self, statistic: Statistic, net: nn.Module, mask: Mask) -> Mapping[str, Tensor]:
        """Return a statistic of the network under ``mask``: the stored one, or from the sample."""
        return statistic(net, mask, *self.sample()) if self.stored is None else self.stored


class Criterion(Member, ABC):
    """Chooses survivors. A pure function of its arguments: it never changes the network.

    ``unit`` is what the budget counts; ``needs_data`` tells the plan to provide a sample.
    """

    unit: ClassVar[Unit] = "weight"
    needs_data: ClassVar[bool] = False

    def counts(self, net: nn.Module, mask: Mask) -> dict[str, tuple[int, int]]:
        """Return ``{tensor: (alive, total)}`` in this criterion's unit: what its budget counts."""
        return mask.counts()

    @property
    def statistic(self) -> Statistic | None:
        """What it takes from data whatever the budget; None for a criterion that needs the images themselves."""
        return None

    def meets(self, counts: Mapping[str, int], budget: Budget) -> bool:
        """Return whether these survivors, counted in this criterion's unit, are what the budget asks for.

        Weights exactly. Of nodes and filters fewer may be left where single weights were pruned before: the last
        weights of one can go with its neighbours.
        """
        if self.unit == "weight":
            return dict(counts) == dict(budget.counts)
        return counts.keys() == budget.counts.keys() and all(counts[name] <= budget.counts[name] for name in counts)

    @abstractmethod
    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return a mask inside ``mask`` with exactly the budget's counts."""


CRITERIA: Registry[Criterion] = Registry("criteria")


def choose(criterion: Criterion, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
    """Call a criterion and check what it returns: a subset, with exact counts, of finite weights.

    Raises:
        PrunescopeError: for weights that are not finite, and for a budget in another unit than the criterion's.
    """
    weights = dict(net.named_parameters())
    for name in mask:
        if not bool(torch.isfinite(weights[name]).all()):
            raise PrunescopeError("weights are not finite", where=name, remedy="A diverged network cannot be pruned")
    alive = _alive(criterion, net, mask, budget)
    if alive.keys() != budget.counts.keys() or any(not 0 <= budget.counts[n] <= alive[n] for n in alive):
        raise PrunescopeError(
            f"the budget does not count what is there, in {criterion.unit}s",
            expected=f"at most {alive}",
            got=dict(budget.counts),
            where=criterion.member_name,
        )
    chosen = criterion(net, mask, budget, evidence)
    assert chosen.within(mask), f"{criterion!r} revived pruned weights"
    counts = _alive(criterion, net, chosen, budget)
    assert criterion.meets(counts, budget), f"{criterion!r} kept {counts}, budget {budget}"
    return chosen


def _alive(criterion: Criterion, net: nn.Module, mask: Mask, budget: Budget) -> dict[str, int]:
    counts = {name: kept for name, (kept, _) in criterion.counts(net, mask).items()}
    return {WHOLE: sum(counts.values())} if budget.scope == "global" else counts
