"""Magnitude pruning: keep the largest absolute weights."""

from __future__ import annotations

from torch import nn

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.mask import Mask, prunable


@CRITERIA.register("magnitude")
class Magnitude(Criterion):
    r"""Keep the weights with the largest score $|w|$.

    Cost: one selection over the weights, O(n). No data.

    Source: Han et al., Learning both Weights and Connections for Efficient Neural Networks, NeurIPS 2015.
    """

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask of the largest weights."""
        scores = {name: weight.detach().abs() for name, weight in prunable(net).items() if name in mask}
        return select_top(scores, mask, budget)
