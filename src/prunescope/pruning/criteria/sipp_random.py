"""SiPP, randomised: sample weights in proportion to their sensitivity, as many of each filter as its bound asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.pruning.budget import WHOLE, Budget, highest_of_rows, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.layer_inputs import check_columns, masked_weights
from prunescope.pruning.mask import Mask
from prunescope.pruning.sampling_bound import DELTA, C, allocate, sampling_error
from prunescope.pruning.sensitivity import Sensitivities, Sensitivity


@CRITERIA.register("sipp_random")
class SippRandom(Criterion):
    r"""Sample the weights of each filter and sign in proportion to their sensitivity until enough are hit.

    Sensitivities take the maximum over patches: $s_{fq} = \max_{x, p} g_{fqp}(x)$, and $p_q = s_q / \sum s$. How many
    weights a filter half keeps minimises the sum of the proven errors, see
    :func:`prunescope.pruning.sampling_bound.allocate`. Drawing with replacement until n different weights are hit keeps
    the n largest of $s_q / E_q$ with E exponential, so the count is exact. With ``hybrid`` a half keeps its n highest
    sensitivities instead of a sample wherever the error $C \sum_{\text{dropped}} s$ of that is at most the bound. A
    criterion returns a mask: the weights that were hit are not rescaled by count / (n p).

    Cost: one forward pass over the sample, and per image and layer one pass over all products of weight and
    activation. Data: images.

    Attributes:
        hybrid: deterministic where that has the smaller bound.

    Source: Baykal et al., SiPPing Neural Networks: Sensitivity-informed Provable Pruning of Neural Networks,
        SIAM Journal on Mathematics of Data Science 4 (2022).
    """

    needs_data: ClassVar[bool] = True

    hybrid: bool = False

    @property
    def statistic(self) -> Sensitivities:
        """Sensitivities, their maximum over patches."""
        return Sensitivities(over="max")

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the weights that were hit."""
        check_columns(net, mask)
        found, weights = evidence.of(self.statistic, net, mask), masked_weights(net, mask)
        halves = {n: _halves(w, Sensitivity(found[n], int(found[f"{n}/positions"]))) for n, w in weights.items()}
        generator = evidence.generator()
        scores: dict[str, Tensor] = {}
        for names in [list(halves)] if budget.scope == "global" else [[name] for name in halves]:
            count = budget.counts[WHOLE if budget.scope == "global" else names[0]]
            for name, take in zip(names, _allocated([halves[name] for name in names], count), strict=True):
                positive, negative = self._chosen(halves[name], take, generator).chunk(2)
                scores[name] = (positive | negative).view(mask[name].shape).float()
        return select_top(scores, mask, budget)

    def _chosen(self, halves: _Halves, take: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Return the weights of each half that stay, bool ``[halves, q]``."""
        exponential = torch.empty(halves.values.shape, dtype=torch.float64).exponential_(generator=generator)
        keys = halves.values / exponential
        if self.hybrid:
            highest = halves.values.sort(dim=1, descending=True).values.numpy()
            dropped = np.where(np.arange(highest.shape[1]) >= take[:, None], highest, 0.0).sum(1)
            deterministic = torch.from_numpy(C * dropped <= sampling_error(take, halves.alpha))
            keys = torch.where(deterministic[:, None], halves.values, keys)
        return highest_of_rows(keys, halves.values > 0, torch.from_numpy(take))


class _Halves(NamedTuple):
    """Sensitivities ``[positive and negative half of each filter, q]`` (0 for the other sign) and the bound's α."""

    values: Tensor
    alpha: NDArray[np.float64]


def _halves(weight: Tensor, found: Sensitivity) -> _Halves:
    flat, s = weight.flatten(1), found.values.double().flatten(1)
    values = torch.cat([s.masked_fill(flat <= 0, 0.0), s.masked_fill(flat >= 0, 0.0)]).cpu()
    kernel_size = weight[0, 0].numel()
    alpha = 2 * C * math.log(8 * (found.positions + 1) * kernel_size / DELTA) * values.sum(1).numpy()
    return _Halves(values, alpha)


def _allocated(layers: Sequence[_Halves], count: int) -> list[NDArray[np.int64]]:
    """Return the survivors of each half of each layer; a layer's errors are weighted by 1 / its filters."""
    sizes = [len(layer.alpha) for layer in layers]
    alpha = np.concatenate([layer.alpha for layer in layers])
    scale = np.concatenate([np.full(size, 2.0 / size) for size in sizes])
    most = np.concatenate([(layer.values > 0).sum(1).numpy() for layer in layers])
    return np.split(allocate(alpha, scale, most, count), np.cumsum(sizes)[:-1])
