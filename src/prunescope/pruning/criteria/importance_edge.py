"""Importance of edges: keep the largest incoming weights of each node."""

from __future__ import annotations

from torch import nn

from prunescope.pruning.budget import Budget, select_rows
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.mask import Mask, prunable


@CRITERIA.register("importance_edge")
class ImportanceEdge(Criterion):
    r"""Keep the largest $|w|$ among the incoming edges of each node, the same number at each.

    A global budget takes the same share of every layer; what cannot be dealt equally goes to the earlier nodes.

    Cost: one sort of the weights. No data.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask of the largest incoming weights."""
        scores = {name: weight.detach().abs() for name, weight in prunable(net).items() if name in mask}
        return select_rows(scores, mask, budget)
