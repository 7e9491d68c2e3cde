"""PFP: keep the filters to which some response of the next layer is most sensitive."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.channels import Channels
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.filters import FilterCriterion, Ranking
from prunescope.pruning.layer_inputs import check_columns
from prunescope.pruning.mask import Mask
from prunescope.pruning.sensitivity import Sensitivities

RESOLUTION = 2.0**-50  # of a number of draws too large to be whole


def largest_errors(sensitivity: Tensor, alpha: float) -> Tensor:
    r"""Return the largest ε at which PFP keeps 1, 2, …, n channels of one layer, decreasing.

    PFP keeps $n(\varepsilon) = \lceil \sum_j 1 - (1 - p_j)^m \rceil$ of them, with $p_j = s_j / S$, $S = \sum_j s_j$
    and $m = \lceil 3 (6 + 2 \varepsilon) S \alpha / \varepsilon^2 \rceil$ draws. The k-th channel needs the least m
    with $\sum_j 1 - (1 - p_j)^m > k - 1$, and $3 (6 + 2 \varepsilon) S \alpha / \varepsilon^2 > m - 1$ is solved for
    ε. Channels of sensitivity 0 are never drawn: ε = 0. One draw keeps one channel at any ε: infinite.

    Args:
        sensitivity: ``[n]``.
        alpha: α of the layer.

    Example:
        >>> largest_errors(torch.tensor([1.0, 0.5, 0.0]), alpha=2.0).round(decimals=3).tolist()
        [inf, 20.619, 0.0]
    """
    s = sensitivity.double()
    errors, drawn = torch.zeros_like(s), int(s.count_nonzero())
    if not drawn:
        return errors
    logs = torch.log1p(-s[s > 0] / s.sum())

    def expected(draws: Tensor) -> Tensor:
        return -torch.expm1(draws[:, None] * logs).sum(1)

    ranks = torch.arange(drawn, dtype=torch.float64)
    low = ranks.clamp(max=1)  # one draw keeps one channel, whatever rounding makes of the sum of p
    high = low + 1
    while bool((expected(high) <= ranks).any()):
        short = expected(high) <= ranks
        low, high = torch.where(short, high, low), torch.where(short, 2 * high, high)
    while bool((high - low > (high * RESOLUTION).clamp(min=1)).any()):
        middle = ((low + high) / 2).ceil()
        enough = expected(middle) > ranks
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    c, draws = 3 * s.sum() * alpha, high - 1
    errors[:drawn] = (c + (c * c + 6 * c * draws).sqrt()) / draws
    return errors


@CRITERIA.register("pfp")
class Pfp(FilterCriterion):
    r"""Keep the filters with the highest sensitivity, as many in each layer as one error bound ε grants to all.

    $s_j = \max_x \max_f \max_{q \in j} \max_p g_{fqp}(x)$: the largest share that the channel ever has in a response
    of a layer that reads it, see :func:`prunescope.pruning.sensitivity.sensitivity`; with several readers the largest
    of theirs. How many channels of a layer survive an ε says :func:`largest_errors`, with
    $\alpha = 2 C \ln(8 (P + 1) \kappa / \delta)$ for P patches and κ kernel positions; the ε that meets the budget is
    found exactly. Sensitivities saturate at 1 in wide layers: ties go to the earlier channel.

    Cost: one forward pass over the sample and one pass over all products of weight and activation. Data: images.

    Attributes:
        constant: C.
        failure: δ, the probability that the bound fails.

    Source: Liebenwein et al., Provable Filter Pruning for Efficient Neural Networks, ICLR 2020.
    """

    needs_data: ClassVar[bool] = True

    constant: Annotated[float, Field(gt=0)] = 3.0
    failure: Annotated[float, Field(gt=0, lt=1)] = 1e-16

    @property
    def statistic(self) -> Sensitivities:
        """Sensitivities, their maximum over patches."""
        return Sensitivities(over="max")

    def ranking(self, net: nn.Module, mask: Mask, found: Channels, evidence: Evidence) -> Ranking:
        """Return sensitivities, and the errors at which channels go."""
        readers = [name for name in found.columns if name in mask]
        check_columns(net, readers)
        seen = evidence.of(self.statistic, net, mask)
        scores = found.largest({name: seen[name].transpose(0, 1).flatten(1).amax(1) for name in readers})
        cells = {
            n: torch.full((seen[n].shape[1],), (int(seen[f"{n}/positions"]) + 1) * seen[n][0, 0].numel())
            for n in readers
        }
        for name, score in scores.items():
            if bool(torch.isnan(score).any()):
                raise PrunescopeError("a score is NaN", where=name, remedy="Check the weights and the data for NaN")
        alive, most = found.alive(mask), found.largest(cells)
        claims = {}
        for name, flags in alive.items():
            alpha = 2 * self.constant * torch.log(8 * most[name].max().double() / self.failure)
            claims[name] = largest_errors(scores[name][flags], float(alpha))
        return Ranking(scores, claims)
