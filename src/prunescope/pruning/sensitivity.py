"""Sensitivities of weights: the largest share that a weight ever has in its filter's response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.pruning.layer_inputs import (
    chunks,
    column_products,
    columns,
    has_columns,
    layer_of,
    masked_weights,
    responses,
    visit_inputs,
)
from prunescope.pruning.mask import Mask
from prunescope.pruning.statistic import STATISTICS, Statistic

Over = Literal["mean", "max"]
CACHED, BLOCK = 2**17, 2**10  # products that fit the cache at once, and how long their rows are


class Sensitivity(NamedTuple):
    """Sensitivities in the shape of a weight, and the positions (patches) at which it is used in one image."""

    values: Tensor
    positions: int


def sensitivity(weight: Tensor, inputs: Tensor, over: Over = "mean") -> Tensor:
    r"""Return $s_{fq} = \max_x \operatorname{mean}_p g_{fqp}(x)$, or with the maximum over patches, of one layer.

    $g_{fqp}(x) = \max(W^+_{fq} a_{qp} / z^+_{fp},\; W^-_{fq} a_{qp} / z^-_{fp})$ with
    $z^\pm_{fp} = \sum_q W^\pm_{fq} a_{qp}$, and 0 where $|z|$ is at most the float32 epsilon. Inputs of both signs
    count as two images, $a^+ = \max(a, 0)$ and $a^- = -\min(a, 0)$. All lie in [0, 1]; for one image and a
    half of a filter that responds in every patch the means sum to 1.

    The mean over patches is a product of matrices: $W^\pm_{fq} \cdot \operatorname{mean}_p a_{qp} / z^\pm_{fp}$.

    Args:
        weight: ``[filters, q]``.
        inputs: ``[images, q, patches]``, see :func:`prunescope.pruning.layer_inputs.columns`.
        over: what is taken over patches.

    Returns:
        ``[filters, q]``.

    Source: Baykal et al., SiPPing Neural Networks: Sensitivity-informed Provable Pruning of Neural Networks,
        SIAM Journal on Mathematics of Data Science 4 (2022).

    Example:
        >>> sensitivity(torch.tensor([[3.0, 1.0, -2.0]]), torch.tensor([[[1.0], [1.0], [1.0]]]))
        tensor([[0.7500, 0.2500, 1.0000]])
    """
    halves = _halves(weight)
    largest = torch.zeros_like(halves)
    for a in _signs(inputs):
        inverse = _inverse(halves @ a)
        means = over == "mean" and a.shape[2] > 1
        shares = (inverse @ a.transpose(1, 2)).amax(0) / a.shape[2] if means else _largest_products(inverse, a)
        largest = torch.maximum(largest, shares)
    return _sensitivity(halves, largest)


def _halves(weight: Tensor) -> Tensor:
    """Return the positive and the negative half of each filter, both as weights ≥ 0."""
    return torch.cat([weight.clamp(min=0), (-weight).clamp(min=0)])


def _signs(inputs: Tensor) -> Iterator[Tensor]:
    """Yield the positive part and, where there is one, the negative part; NaN goes through."""
    if bool(inputs.min() >= 0):
        yield inputs
    else:
        yield inputs.clamp(min=0)
        yield (-inputs).clamp(min=0)


def _inverse(z: Tensor) -> Tensor:
    """Return 1 / z in place, 0 where a half does not respond."""
    return functional.threshold(z, torch.finfo(torch.float32).eps, torch.inf).reciprocal_()


def _largest_products(left: Tensor, right: Tensor) -> Tensor:
    """Return ``max_{x,p} left[x, r, p] · right[x, q, p]`` as ``[r, q]``."""
    left, right = (factor.transpose(0, 1).flatten(1) for factor in (left, right))
    largest = left.new_zeros(len(left), len(right))
    rows = max(1, CACHED // (len(right) * BLOCK))
    for block, against in zip(torch.split(left, BLOCK, dim=1), torch.split(right, BLOCK, dim=1), strict=True):
        products = [(part[:, None] * against).amax(2) for part in torch.split(block, rows)]
        largest = torch.maximum(largest, torch.cat(products))
    return largest


def _sensitivity(halves: Tensor, largest: Tensor) -> Tensor:
    positive, negative = (halves * largest).clamp(max=1.0).chunk(2)
    return positive + negative


def sensitivities(
    net: nn.Module, mask: Mask, images: Tensor, over: Over = "mean", names: Sequence[str] | None = None
) -> dict[str, Sensitivity]:
    """Return the sensitivities of ``names`` (all weights that ``mask`` covers), those of pruned weights 0.

    Cost: one forward pass, and per layer and image four products of its size (mean) or one pass over all
    products of weight and activation (max); the memory does not grow with the number of images.

    Raises:
        PrunescopeError: for layers other than Linear and Conv2d without groups, images that do not fit.
    """
    weights = masked_weights(net, mask)
    found: dict[str, Sensitivity] = {}

    def see(name: str, inputs: Tensor) -> None:
        layer, weight = layer_of(net, name), weights[name].flatten(1)
        weight, inputs = (t if t.dtype == torch.float64 else t.float() for t in (weight, inputs))
        halves = _halves(weight)
        for part in _signs(inputs):
            for chunk in chunks(layer, part, rows=len(halves)):
                inverse = _inverse(responses(layer, halves, chunk))
                positions = inverse.shape[2]
                if over == "mean" and positions > 1:
                    largest = column_products(layer, inverse, chunk).amax(0) / positions
                else:
                    largest = _largest_products(inverse, columns(layer, chunk))
                values = _sensitivity(halves, largest).view(weights[name].shape)
                values = torch.maximum(found[name].values, values) if name in found else values
                found[name] = Sensitivity(values, positions)

    wanted = list(weights if names is None else names)
    visit_inputs(net, weights, images, wanted, see)
    return {name: found[name] for name in wanted}


@STATISTICS.register("sensitivities")
class Sensitivities(Statistic):
    """The sensitivities of the weights, and the number of patches, of each layer that is a matrix product.

    Attributes:
        over: what is taken over patches, ``mean`` or ``max``.
    """

    over: Over = "mean"

    def __call__(self, net: nn.Module, mask: Mask, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``NAME`` in the shape of the weight and ``NAME/positions``."""
        tensors: dict[str, Tensor] = {}
        names = [name for name in mask if has_columns(layer_of(net, name))]
        for name, (values, positions) in sensitivities(net, mask, images, self.over, names).items():
            tensors |= {name: values, f"{name}/positions": torch.tensor(positions)}
        return tensors
