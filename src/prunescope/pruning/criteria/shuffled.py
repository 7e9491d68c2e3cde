"""Shuffled: another criterion's mask permuted inside each layer, the control for where a criterion prunes."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import field_validator
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.seeds import derived_seed
from prunescope.pruning.budget import Budget
from prunescope.pruning.criteria.magnitude import Magnitude
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.mask import Mask
from prunescope.pruning.statistic import Statistic


def shuffled(kept: Tensor, alive: Tensor, generator: torch.Generator) -> Tensor:
    """Return a bool tensor with as many entries as ``kept``, at random places among ``alive``."""
    places = alive.flatten().nonzero().flatten()
    order = torch.randperm(len(places), generator=generator).to(places.device)
    result = torch.zeros_like(alive).flatten()
    result[places[order[: int(kept.sum())]]] = True
    return result.view(alive.shape)


@CRITERIA.register("shuffled")
class Shuffled(Criterion):
    """Keep as many weights in each layer as another criterion would, at random places.

    What this control keeps of a criterion is how much it prunes in each layer, and nothing else. Where it does as
    well as the criterion, the choice of weights inside the layers did not matter.

    Cost: that of the other criterion, and one permutation of the weights. Data: when the other criterion needs it.

    Attributes:
        of: the criterion whose mask is shuffled; it chooses weights.

    Source: Frankle et al., Pruning Neural Networks at Initialization: Why Are We Missing the Mark?, ICLR 2021;
        Su et al., Sanity-Checking Pruning Methods, NeurIPS 2020.
    """

    of: Annotated[Criterion, *CRITERIA.field()] = Magnitude()

    @field_validator("of")
    @classmethod
    def _chooses_weights(cls, of: Criterion) -> Criterion:
        if of.unit != "weight":
            raise PrunescopeError(f"{of.member_name} removes whole {of.unit}s", expected="a criterion of weights")
        return of

    @property
    def needs_data(self) -> bool:  # type: ignore[override]  # here it depends on an option
        """Whether the shuffled criterion looks at data."""
        return self.of.needs_data

    @property
    def statistic(self) -> Statistic | None:
        """What the shuffled criterion takes from data."""
        return self.of.statistic

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the other criterion's mask, shuffled inside each layer."""
        chosen = self.of(net, mask, budget, evidence)
        generator = torch.Generator().manual_seed(derived_seed(evidence.seed, self.member_name))
        return Mask({name: shuffled(kept, mask[name], generator) for name, kept in chosen.items()})
