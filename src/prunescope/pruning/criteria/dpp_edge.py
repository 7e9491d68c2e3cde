"""Determinantal edges: keep a diverse set of each node's incoming edges."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import dpp
from prunescope.pruning.budget import Budget, row_counts
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.kernels import KERNELS, Kernel, Rbf
from prunescope.pruning.layer_inputs import check_columns, masked_weights
from prunescope.pruning.mask import Mask
from prunescope.pruning.moments import InputMoments

ENTRIES = 2**23  # entries of the kernels that are drawn from together


@CRITERIA.register("dpp_edge")
class DppEdge(Criterion):
    r"""Draw a diverse set of each node's incoming edges from a determinantal point process.

    The chance of a set S of k edges of node h is $\det L^h_S / e_k(\lambda)$. $L^h$ is a kernel of the columns of
    $X \operatorname{diag}(w_h)$, what each edge contributes to the node over the sample. All nodes share $X^\top X$, so
    no contribution is ever formed. Patches of a convolution are rows of X. A global budget takes the same share of
    every layer; every node of a layer keeps the same number of edges.

    Cost: one forward pass over the sample, and O(N³) for each node of N incoming edges. Data: images.

    Attributes:
        kernel: a member of ``KERNELS`` with its options, such as ``linear`` or ``{"rbf": {"beta": "median"}}``.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    needs_data: ClassVar[bool] = True

    kernel: Annotated[Kernel, *KERNELS.field()] = Rbf()

    @property
    def statistic(self) -> InputMoments:
        """Moments of what the edges multiply."""
        return InputMoments()

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the edges drawn."""
        counts = budget.shared_out(mask.counts())
        cut = [name for name, (alive, _) in mask.counts().items() if counts[name] < alive]
        check_columns(net, cut)
        weights, moments = masked_weights(net, mask), evidence.of(self.statistic, net, mask)
        rng = np.random.default_rng(evidence.seed)
        chosen = dict(mask)
        for name in cut:
            weight = weights[name].flatten(1).double()
            alive = mask[name].flatten(1).to(weight.device)
            take = row_counts(alive.sum(1), counts[name])
            try:
                drawn = draw_edges(weight, alive, take, moments[name], self.kernel, rng)
            except PrunescopeError as error:
                raise error.at(name) from None
            chosen[name] = drawn.view(mask[name].shape)
        return Mask(chosen)


def draw_edges(
    weight: Tensor, alive: Tensor, take: Tensor, moments: Tensor, kernel: Kernel, rng: np.random.Generator
) -> Tensor:
    """Return the edges drawn, bool ``[nodes, N]``; nodes with equally many edges and draws go together.

    Args:
        weight: ``[nodes, N]`` float64.
        alive: which edges may be drawn ``[nodes, N]``.
        take: edges drawn of each node ``[nodes]``.
        moments: Xᵀ X / n ``[N, N]``.
        kernel: from the moments of the contributions to L.
        rng: generator.
    """
    kept = torch.zeros_like(alive)
    sizes = torch.stack([alive.sum(1), take], dim=1)
    for edges, count in torch.unique(sizes, dim=0).tolist():
        alike = (sizes == sizes.new_tensor([edges, count])).all(1).nonzero().flatten()
        for nodes in torch.split(alike, max(1, ENTRIES // max(1, edges**2))):
            places = alive[nodes].nonzero()[:, 1].view(len(nodes), edges)
            if count < edges:
                w = weight[nodes].gather(1, places)
                shared = moments[places[:, :, None], places[:, None, :]]
                drawn = dpp.sample(kernel(w[:, :, None] * shared * w[:, None, :]), count, seed=rng)[:, 0]
                places = places.gather(1, torch.from_numpy(drawn).to(places.device))
            kept[nodes[:, None], places] = True
    return kept
