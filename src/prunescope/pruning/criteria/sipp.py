"""SiPP, deterministic: keep the weights with the highest sensitivity."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.layer_inputs import check_columns
from prunescope.pruning.mask import Mask, prunable
from prunescope.pruning.sensitivity import Sensitivities


@CRITERIA.register("sipp")
class Sipp(Criterion):
    r"""Keep the weights with the highest sensitivity, the largest share in what their filter gives.

    $s_{fq} = \max_x \operatorname{mean}_p g_{fqp}(x)$, where g is the weight's share of the positive or negative part
    of its filter's response to patch p of image x, see :func:`prunescope.pruning.sensitivity.sensitivity`. With a
    global budget the weights of all layers and both signs compete in one ranking. Linear layers and convolutions
    without groups.

    Cost: one forward pass over the sample, and per image and layer four matrix products of the layer's size.
    Data: images.

    Source: Baykal et al., SiPPing Neural Networks: Sensitivity-informed Provable Pruning of Neural Networks,
        SIAM Journal on Mathematics of Data Science 4 (2022).
    """

    needs_data: ClassVar[bool] = True

    @property
    def statistic(self) -> Sensitivities:
        """Sensitivities, their mean over patches."""
        return Sensitivities()

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask of the most sensitive weights."""
        check_columns(net, mask)
        found = evidence.of(self.statistic, net, mask)
        return select_top({name: found[name] for name in prunable(net) if name in mask}, mask, budget)
