"""The committee machine of the statistical-mechanics literature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from prunescope.core.nonlinearity import Activation
from prunescope.models.mlp import Erf
from prunescope.models.model import MODELS, ImageShape, Model

ACTIVATIONS: Mapping[Activation, type[nn.Module]] = {
    "erf": Erf,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class CommitteeNet(nn.Module):
    """Scaled inputs, one hidden layer and an output layer, all without bias."""

    def __init__(self, inputs: int, hidden: int, outputs: int, activation: Activation = "erf") -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(inputs, hidden, bias=False)
        self.nonlinearity = activation
        self.activation = ACTIVATIONS[activation]()
        self.output = nn.Linear(hidden, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, outputs]``; the tap ``hidden`` holds the local fields w·x/√N."""
        return self.output(self.activation(self.hidden(self.flatten(x) / math.sqrt(self.hidden.in_features))))  # type: ignore[no-any-return]


@MODELS.register("committee")
class Committee(Model):
    r"""The committee machine $\hat y = \sum_i v_i\, g(w_i \cdot x / \sqrt N)$.

    N is the number of pixels; one output for each class, each with its own $v$. $w$ is standard normal.

    Attributes:
        hidden: number K of hidden units.
        output: ``normal`` draws $v$ from the standard normal; ``ones`` is the soft committee $v = 1$ (freeze
            ``output`` to keep it so in training).
        activation: g; ``erf`` stands for erf(u/√2), for which the theory is exact.

    Source: Saad and Solla, On-line learning in soft committee machines, Physical Review E 1995; Goldt et al.,
    Dynamics of stochastic gradient descent for two-layer neural networks in the teacher-student setup, NeurIPS 2019.
    """

    hidden: Annotated[int, Field(ge=1)] = 6
    output: Literal["normal", "ones"] = "normal"
    activation: Activation = "erf"

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        net = CommitteeNet(math.prod(image_shape), self.hidden, classes, self.activation)
        nn.init.normal_(net.hidden.weight)
        if self.output == "normal":
            nn.init.normal_(net.output.weight)
        else:
            nn.init.ones_(net.output.weight)
        return net
