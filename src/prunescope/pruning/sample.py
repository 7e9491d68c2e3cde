"""Which images a criterion looks at: how many by the published rule, and a seeded draw of them."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial

import torch
from torch import Tensor, nn

from prunescope.core.seeds import derived_seed
from prunescope.data import Dataset
from prunescope.models.taps import evaluating
from prunescope.pruning.layer_inputs import checked_images, layer_of
from prunescope.pruning.mask import prunable
from prunescope.pruning.sampling_bound import DELTA, C


def neurons(net: nn.Module, image: Tensor) -> dict[str, int]:
    """Return how many activations each prunable layer gives for one image ``[1, …]``, all its calls together.

    Raises:
        PrunescopeError: for an image that the network cannot take.
    """
    found: Counter[str] = Counter()

    def count(_: nn.Module, inputs: object, output: Tensor, *, name: str) -> None:
        found[name] += output.numel()

    image = checked_images(net, image)
    handles = [layer_of(net, name).register_forward_hook(partial(count, name=name)) for name in prunable(net)]
    try:
        with evaluating(net), torch.no_grad():
            net(image)
    finally:
        for handle in handles:
            handle.remove()
    return dict(found)


def sample_size(net: nn.Module, image: Tensor) -> int:
    r"""Return $\lceil C \ln(8\, \eta^* \eta / \delta) \rceil$: images enough for the largest share to be nearly found.

    η counts the neurons of all prunable layers, η* those of the largest; C = 3 and δ = 1e-16 as published.

    Source: Baykal et al., SiPPing Neural Networks: Sensitivity-informed Provable Pruning of Neural Networks,
        SIAM Journal on Mathematics of Data Science 4 (2022).

    Example:
        >>> sample_size(nn.Sequential(nn.Linear(4, 500), nn.Linear(500, 500), nn.Linear(500, 10)), torch.zeros(1, 4))
        157
    """
    counts = neurons(net, image).values()
    return math.ceil(C * math.log(8 * max(counts) * sum(counts) / DELTA))


def drawn(data: Dataset, size: int, seed: int) -> Dataset:
    """Return ``size`` images in an order that the seed draws, all of them when there are fewer."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "sample"))
    rows = torch.randperm(len(data), generator=generator)[:size].to(data.images.device)
    return data.take(rows)
