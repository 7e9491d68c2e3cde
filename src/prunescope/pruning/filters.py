"""Filter criteria: what removes whole channels, and how a budget is spent on them."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.budget import WHOLE, Budget, select_top
from prunescope.pruning.channels import Channels, channels
from prunescope.pruning.criterion import Criterion, Evidence, Unit
from prunescope.pruning.mask import Mask

CLOSE = 0.005  # of the budget: a size that near is met


class Ranking(NamedTuple):
    """What a filter criterion thinks of the channels, by group.

    ``scores`` ``[channels]`` say which go first inside a group: the lowest. ``claims`` ``[alive channels]``, from the
    highest, say how much a group claims its first, second, … survivor: a budget serves the highest claims.
    """

    scores: Mapping[str, Tensor]
    claims: Mapping[str, Tensor]


class FilterCriterion(Criterion):
    """Removes filters whole: the rows of weights that write a channel and the columns that read it.

    Filters that a residual sum ties together stand or fall together and count as one, see
    :class:`prunescope.pruning.channels.Channels`; the outputs of the network are kept and not counted. What is left
    is a smaller network, :func:`prunescope.pruning.shrink.shrink`. Each group of channels keeps at least one.

    Attributes:
        count: what the budget counts: ``filters``, exactly, or the ``weights`` of the whole network: as many filters
            stay as fit into it, so that it is met within 0.5 % where filters are cheap enough.
    """

    unit: ClassVar[Unit] = "filter"

    count: Literal["filters", "weights"] = "filters"

    def channels(self, net: nn.Module, mask: Mask) -> Channels:
        """Return the channels all of whose weights ``mask`` covers.

        Raises:
            PrunescopeError: when there is none, and as :func:`prunescope.pruning.channels.channels`.
        """
        found = channels(net).covered_by(mask)
        if not found.groups:
            expected = "a layer whose filters only other layers read, none of them ignored"
            raise PrunescopeError("no filters to prune", expected=expected, got=type(net).__name__)
        return found

    def counts(self, net: nn.Module, mask: Mask) -> dict[str, tuple[int, int]]:
        """Return ``{weight that first writes a group: (channels alive, channels)}``, or the counts of weights."""
        found = self.channels(net, mask)
        return found.alive(mask).counts() if self.count == "filters" else mask.counts()

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask without the filters that go.

        Raises:
            PrunescopeError: for a budget that empties a layer, or that counts the weights of each layer by itself.
        """
        if self.needs_data and evidence.stored is None:
            evidence.sample()
        found = self.channels(net, mask)
        alive = found.alive(mask)
        scores, claims = self.ranking(net, mask, found, evidence)
        claims, none = {name: claim for name, claim in claims.items() if len(claim)}, dict.fromkeys(claims, 0)

        def kept(numbers: Mapping[str, int]) -> Mask:
            return found.keep(mask, select_top(scores, alive, Budget(counts={**none, **numbers}, scope="layer")))

        if self.count == "filters":
            return kept(_filters(claims, budget))
        if budget.scope == "layer":
            told = (
                "the weights of a layer depend on the filters of the layer before, so that none has a budget of its own"
            )
            raise PrunescopeError(told, expected="scope global", got="scope layer", where=self.member_name)
        return kept(_fitting(claims, budget.kept, lambda numbers: kept(numbers).kept))

    @abstractmethod
    def ranking(self, net: nn.Module, mask: Mask, found: Channels, evidence: Evidence) -> Ranking:
        """Return scores and claims of the channels."""


def uniform(alive: Mask) -> dict[str, Tensor]:
    """Return claims under which every group keeps the same share of its alive channels, rounded.

    Example:
        >>> uniform(Mask({"a": torch.tensor([True, True, True, False, True])}))["a"].tolist()
        [0.875, 0.625, 0.375, 0.125]
    """
    sizes = {name: int(flags.count_nonzero()) for name, flags in alive.items()}
    return {name: 1 - (torch.arange(size, dtype=torch.float64) + 0.5) / size for name, size in sizes.items()}


def _filters(claims: Mapping[str, Tensor], budget: Budget) -> dict[str, int]:
    """Return the survivors of each group."""
    numbers = _served(claims, budget.counts[WHOLE]) if budget.scope == "global" else dict(budget.counts)
    empty = [name for name in claims if numbers[name] < 1]
    if empty:
        raise PrunescopeError("this budget empties a layer", expected="at least 1 filter", got=0, where=empty[0])
    return numbers


def _served(claims: Mapping[str, Tensor], count: int) -> dict[str, int]:
    """Return how many of the ``count`` highest claims each group has; its first claim goes before all others."""
    ranked = {name: torch.cat([claim.new_full((1,), torch.inf), claim[1:]]) for name, claim in claims.items()}
    everything = Mask({name: torch.ones_like(claim, dtype=torch.bool) for name, claim in ranked.items()})
    served = select_top(ranked, everything, Budget(counts={WHOLE: count}, scope="global")).counts()
    return {name: number for name, (number, _) in served.items()}


def _fitting(claims: Mapping[str, Tensor], most: int, size: Callable[[Mapping[str, int]], int]) -> dict[str, int]:
    """Return the survivors of each group, in the order of their claims, whose ``size`` is at most ``most``.

    What is left over when the next claim costs too much goes to later ones that fit, at most one in each group.
    """
    fewest, total = len(claims), sum(map(len, claims.values()))
    fitting = bisect_right(range(fewest, total + 1), most, key=lambda count: size(_served(claims, count)))
    if not fitting:
        least = size(_served(claims, fewest))
        raise PrunescopeError("this budget empties a layer", expected=f"at least {least} weights", got=most)
    numbers = served = _served(claims, fewest + fitting - 1)
    later = [name for name, number in served.items() if number < len(claims[name])]
    for name in sorted(later, key=lambda name: -claims[name][served[name]]):
        if most - size(numbers) <= CLOSE * most:
            break
        larger = {**numbers, name: numbers[name] + 1}
        numbers = larger if size(larger) <= most else numbers
    return numbers
