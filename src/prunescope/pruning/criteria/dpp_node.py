"""Determinantal nodes: keep a diverse set of each hidden layer's nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import dpp
from prunescope.pruning.budget import Budget
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.hidden import NodeCriterion
from prunescope.pruning.kernels import KERNELS, Kernel, Rbf
from prunescope.pruning.mask import Mask
from prunescope.pruning.moments import NodeMoments


@CRITERIA.register("dpp_node")
class DppNode(NodeCriterion):
    r"""Draw a diverse set of each hidden layer's nodes from a determinantal point process.

    The chance of a set S of k nodes is $\det L_S / e_k(\lambda)$. L is a kernel of the columns of H ``[images,
    nodes]``: ``linear`` $H^\top H / n$, or ``rbf``
    $\exp(-\beta \lVert h_i - h_j \rVert^2 / n) + \varepsilon \delta_{ij}$. H is what the next layer sees of the nodes.
    The method includes the refit of the next layer, :func:`prunescope.pruning.reweight.reweight`.

    Cost: one forward pass over the sample, and O(N³) for a layer of N nodes. Data: images.

    Attributes:
        kernel: a member of ``KERNELS`` with its options, such as ``{"rbf": {"beta": "median"}}``.
        pre_activation: take $H = X W^\top$ without bias and activation, as published for fully connected networks.

    Source: Mariet and Sra, Diversity Networks: Neural Network Compression Using Determinantal Point Processes,
        ICLR 2016; Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    needs_data: ClassVar[bool] = True

    kernel: Annotated[Kernel, *KERNELS.field()] = Rbf()
    pre_activation: bool = False

    @property
    def statistic(self) -> NodeMoments:
        """Moments of the nodes."""
        return NodeMoments(pre_activation=self.pre_activation)

    def survivors(
        self, net: nn.Module, mask: Mask, hidden: Mapping[str, str], nodes: Mask, budget: Budget, evidence: Evidence
    ) -> Mask:
        """Return the nodes drawn."""
        moments = evidence.of(self.statistic, net, mask)
        rng = np.random.default_rng(evidence.seed)
        drawn = {}
        for name, alive in nodes.items():
            try:
                drawn[name] = self._draw(moments[name], alive, budget.counts[name], rng)
            except PrunescopeError as error:
                raise error.at(name) from None
        return Mask(drawn)

    def _draw(self, moments: Tensor, alive: Tensor, count: int, rng: np.random.Generator) -> Tensor:
        places = alive.nonzero().flatten()
        if count == len(places):
            return alive
        chosen = dpp.sample(self.kernel(moments[places][:, places]), count, seed=rng)[0]
        return torch.zeros_like(alive).index_fill(0, places[torch.from_numpy(chosen)], True)
