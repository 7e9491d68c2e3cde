"""Filter norm: keep the filters with the largest weights."""

from __future__ import annotations

from typing import Literal

from torch import nn

from prunescope.pruning.channels import Channels
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.filters import FilterCriterion, Ranking, uniform
from prunescope.pruning.layer_inputs import masked_weights
from prunescope.pruning.mask import Mask


@CRITERIA.register("filter_norm")
class FilterNorm(FilterCriterion):
    r"""Keep the filters with the largest norm $\lVert w_f \rVert_p$, the same share in every layer.

    $w_f$ is all weights that write the channel: those of one filter, or of all filters that a residual sum ties
    together. ``norm`` 1 is filter thresholding (FT), 2 soft filter pruning's norm.

    Cost: one pass over the weights. No data.

    Attributes:
        norm: p, 1 or 2.

    Source: Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017 (p = 1); He et al., Soft Filter Pruning for
        Accelerating Deep Convolutional Neural Networks, IJCAI 2018 (p = 2).
    """

    norm: Literal[1, 2] = 1

    def ranking(self, net: nn.Module, mask: Mask, found: Channels, evidence: Evidence) -> Ranking:
        """Return the norms, and equal shares."""
        weights = masked_weights(net, mask)
        powers = {n: weights[n].flatten(1).double().abs().pow(self.norm).sum(1) for n in found.rows if n in weights}
        return Ranking(found.summed(powers), uniform(found.alive(mask)))
