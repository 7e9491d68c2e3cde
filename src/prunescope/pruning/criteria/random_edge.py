"""Random edges: the control of every criterion that keeps edges node by node."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from prunescope.pruning.budget import Budget, select_rows, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.mask import Mask, prunable


@CRITERIA.register("random_edge")
class RandomEdge(Criterion):
    """Keep uniformly random incoming edges of each node.

    Under ``exact`` every node keeps the same number, under ``bernoulli`` every edge of a layer stands or falls by its
    own coin, given that the layer's budget is met: the nodes then keep different numbers of edges. A global budget
    takes the same share of every layer.

    Cost: one random number a weight. No data.

    Attributes:
        draw: ``exact`` or ``bernoulli``.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021 (Bernoulli for
        teacher-student networks, exact for image classifiers).
    """

    draw: Literal["exact", "bernoulli"] = "exact"

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return random edges."""
        generator = evidence.generator()
        names = [name for name in prunable(net) if name in mask]
        scores = {n: torch.rand(mask[n].shape, generator=generator, dtype=torch.float64) for n in names}
        if self.draw == "exact":
            return select_rows(scores, mask, budget)
        return select_top(scores, mask, Budget(counts=budget.shared_out(mask.counts()), scope="layer"))
