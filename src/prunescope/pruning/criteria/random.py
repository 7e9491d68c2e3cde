"""Random pruning: the control that every criterion must beat."""

from __future__ import annotations

import torch
from torch import nn

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.mask import Mask, prunable


@CRITERIA.register("random")
class Random(Criterion):
    """Keep a uniformly random set of exactly the budget's size, drawn from the evidence's seed.

    Cost: one random number a weight. No data.

    Source: the control of Blalock et al., What is the State of Neural Network Pruning?, MLSys 2020.
    """

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return a random mask."""
        generator = evidence.generator()
        names = [name for name in prunable(net) if name in mask]
        scores = {n: torch.rand(mask[n].shape, generator=generator, dtype=torch.float64) for n in names}
        return select_top(scores, mask, budget)
