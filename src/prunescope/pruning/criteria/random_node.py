"""Random nodes: the control of every criterion that removes nodes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.hidden import NodeCriterion
from prunescope.pruning.mask import Mask


@CRITERIA.register("random_node")
class RandomNode(NodeCriterion):
    """Keep a uniformly random set of each hidden layer's nodes, of exactly the budget's size.

    A coin for every node, given how many stay, is the same draw.

    Cost: one random number a node. No data.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    def survivors(
        self, net: nn.Module, mask: Mask, hidden: Mapping[str, str], nodes: Mask, budget: Budget, evidence: Evidence
    ) -> Mask:
        """Return random nodes."""
        generator = evidence.generator()
        scores = {n: torch.rand(alive.shape, generator=generator, dtype=torch.float64) for n, alive in nodes.items()}
        return select_top(scores, nodes, budget)
