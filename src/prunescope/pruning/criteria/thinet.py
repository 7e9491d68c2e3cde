"""ThiNet: keep the filters without which the next layer would respond differently."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.channels import Channels
from prunescope.pruning.criterion import CRITERIA, Evidence
from prunescope.pruning.filters import FilterCriterion, Ranking, uniform
from prunescope.pruning.layer_inputs import chunks, columns, layer_of, masked_weights, visit_inputs
from prunescope.pruning.mask import Mask


def removal_order(gram: Tensor) -> Tensor:
    r"""Return when each channel is removed, 0 first, if each step removes the one that costs least.

    The cost of a removed set T is $\sum_s (\sum_{j \in T} x_{sj})^2$: what the sampled responses s lose. With
    $G = X^\top X$ the next channel is $\arg\min_j G_{jj} + 2 \sum_{i \in T} G_{ij}$; of equals the last goes first.

    Args:
        gram: G ``[channels, channels]``.

    Example:
        >>> x = torch.tensor([[1.0, 3.0, -3.0, 5.0]])
        >>> removal_order(x.T @ x).tolist()
        [0.0, 2.0, 1.0, 3.0]
    """
    cost, order = gram.diagonal().clone(), torch.zeros(len(gram), dtype=torch.float64)
    for step in range(len(gram)):
        chosen = len(gram) - 1 - int(cost.flip(0).argmin())
        order[chosen] = step
        cost += 2 * gram[chosen]
        cost[chosen] = torch.inf
    return order


@CRITERIA.register("thinet")
class ThiNet(FilterCriterion):
    r"""Keep the filters that the next layer cannot do without, the same share in every layer.

    $x_{sj} = \sum_{q \in j} w_{fq} a_{qp}$ is what channel j contributes to a response s, one filter f of a layer
    that reads it at one patch p of an image. Channels go one by one, each the one whose loss changes the sampled
    responses least given those already gone, see :func:`removal_order`; several readers add up. The refit of the
    readers that belongs to the published method is :func:`prunescope.pruning.reweight.reweight`.

    Cost: one forward pass over the sample, and O(C²) for a layer of C channels and each response. Data: images.

    Attributes:
        locations: responses sampled in each image and reading layer.

    Source: Luo, Wu and Lin, ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression, ICCV 2017.
    """

    needs_data: ClassVar[bool] = True

    locations: Annotated[int, Field(ge=1)] = 10

    def ranking(self, net: nn.Module, mask: Mask, found: Channels, evidence: Evidence) -> Ranking:
        """Return when each channel goes, and equal shares."""
        images, _ = evidence.sample()
        alive, weights, generator = found.alive(mask), masked_weights(net, mask), evidence.generator()
        size = 1 + max(int(numbers.max()) for numbers in found.groups.values())
        members = {group: found.members(group) for group in found.groups}
        grams = {n: torch.zeros(len(flags), len(flags), dtype=torch.float64) for n, flags in alive.items()}

        def see(name: str, inputs: Tensor) -> None:
            layer, weight, read = layer_of(net, name), weights[name].flatten(1).double(), found.columns[name]
            for chunk in chunks(layer, inputs):
                told = _contributions(weight, columns(layer, chunk), len(read), self.locations, generator)
                of_channels = told.new_zeros(len(told), size + 1).index_add(1, read.clamp(min=-1) % (size + 1), told)
                for group in (group for group, names in members.items() if name in names):
                    x = of_channels[:, found.groups[group]]
                    grams[group] += x.T @ x

        visit_inputs(net, weights, images, [name for name in found.columns if name in mask], see)
        scores = {}
        for name, flags in alive.items():
            if not bool(torch.isfinite(grams[name]).all()):
                raise PrunescopeError("responses are not finite", where=name, remedy="Check the images for NaN")
            scores[name] = torch.full(flags.shape, -1.0, dtype=torch.float64)
            scores[name][flags] = removal_order(grams[name][flags][:, flags])
        return Ranking(scores, uniform(alive))


def _contributions(weight: Tensor, patches: Tensor, inputs: int, locations: int, generator: torch.Generator) -> Tensor:
    """Return what each input contributes to random responses, float64 ``[images · locations, inputs]`` on the CPU."""
    images, _, positions = patches.shape
    place = torch.randint(positions, (images, locations), generator=generator).to(patches.device)
    filters = torch.randint(len(weight), (images, locations), generator=generator).to(patches.device)
    seen = patches.transpose(1, 2)[torch.arange(images, device=patches.device)[:, None], place]
    return (weight[filters] * seen.double()).view(images * locations, inputs, -1).sum(2).cpu()
