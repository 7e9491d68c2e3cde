"""Importance of nodes: keep those whose outgoing weights are large."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.hidden import NodeCriterion
from prunescope.pruning.layer_inputs import masked_weights
from prunescope.pruning.mask import Mask


@CRITERIA.register("importance_node")
class ImportanceNode(NodeCriterion):
    r"""Keep the nodes of each hidden layer with the largest mean outgoing weight.

    $\frac{1}{M} \sum_i |u_{ij}|$ over the M nodes of the next layer. The absolute value counts: a node with a large
    negative weight matters as much. Pruned weights count as 0.

    Cost: one pass over the weights. No data.

    Source: the output norm of He et al., Reshaping Deep Neural Network for Fast Decoding by Node-pruning,
        ICASSP 2014.
    """

    def survivors(
        self, net: nn.Module, mask: Mask, hidden: Mapping[str, str], nodes: Mask, budget: Budget, evidence: Evidence
    ) -> Mask:
        """Return the nodes with the largest outgoing weights."""
        weights = masked_weights(net, mask)
        return select_top({name: weights[after].abs().mean(0) for name, after in hidden.items()}, nodes, budget)
