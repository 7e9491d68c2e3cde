"""Second moments of activations, from which determinantal criteria make their kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from prunescope.pruning.hidden import hidden_layers
from prunescope.pruning.layer_inputs import column_rows, has_columns, layer_of, masked_weights, second_moments
from prunescope.pruning.mask import Mask
from prunescope.pruning.statistic import STATISTICS, Statistic


@STATISTICS.register("input_moments")
class InputMoments(Statistic):
    r"""$X^\top X / n$ ``[N, N]`` of what the weights of each layer multiply, where that is a matrix product.

    Patches of a convolution are rows of X.
    """

    def __call__(self, net: nn.Module, mask: Mask, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the moments by the name of each weight, float64."""
        layers = {name: layer_of(net, name) for name in mask}
        features = {name: partial(column_rows, layer) for name, layer in layers.items() if has_columns(layer)}
        return second_moments(net, mask, images, features)


@STATISTICS.register("node_moments")
class NodeMoments(Statistic):
    r"""$H^\top H / n$ ``[nodes, nodes]`` of each hidden layer's nodes.

    Attributes:
        pre_activation: take $H = X W^\top$, without bias and activation, and not what the next layer sees.
    """

    pre_activation: bool = False

    def __call__(self, net: nn.Module, mask: Mask, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the moments by the name of each hidden layer's weight, float64."""
        hidden = {name: after for name, after in hidden_layers(net).items() if name in mask and after in mask}
        seen = {name: name if self.pre_activation else after for name, after in hidden.items()}
        weights = masked_weights(net, mask)
        features: dict[str, Callable[[Tensor], Tensor]] = {
            at: partial(_activations, weight=weights[name] if self.pre_activation else None)
            for name, at in seen.items()
        }
        moments = second_moments(net, mask, images, features)
        return {name: moments[at] for name, at in seen.items()}


def _activations(inputs: Tensor, weight: Tensor | None) -> Tensor:
    """Return H ``[rows, nodes]``: the input of the next layer, or that of this layer times its weight."""
    rows = inputs.flatten(0, -2)
    return rows if weight is None else rows @ weight.T
