"""Random filters: the control of every criterion that removes filters."""

from __future__ import annotations

import torch
from torch import nn

from prunescope.pruning.channels import Channels
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.filters import FilterCriterion, Ranking, uniform
from prunescope.pruning.mask import Mask


@CRITERIA.register("random_filter")
class RandomFilter(FilterCriterion):
    """Keep a uniformly random set of filters, the same share in every layer.

    Cost: one random number a filter. No data.

    Source: Mittal et al., Recovering from Random Pruning: On the Plasticity of Deep Convolutional Neural Networks,
        WACV 2018.
    """

    def ranking(self, net: nn.Module, mask: Mask, found: Channels, evidence: Evidence) -> Ranking:
        """Return random scores, and equal shares."""
        generator, alive = evidence.generator(), found.alive(mask)
        scores = {n: torch.rand(flags.shape, generator=generator, dtype=torch.float64) for n, flags in alive.items()}
        return Ranking(scores, uniform(alive))
