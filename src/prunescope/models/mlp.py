"""The multi-layer perceptron."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model

Activation = Literal["relu", "sigmoid", "tanh", "erf"]


class Erf(nn.Module):
    r"""The activation $\mathrm{erf}(x / \sqrt{2})$ of the statistical-mechanics literature."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation, elementwise."""
        return torch.erf(x / math.sqrt(2.0))


_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "erf": Erf}


@MODELS.register("mlp")
class MLP(Model):
    r"""Fully connected layers ``linear1``, ``linear2``, …, each followed by its activation and dropout.

    Weights are Xavier uniform with the gain of the activation (1 for erf), biases zero.

    Attributes:
        hidden: units of each hidden layer; empty for a linear classifier.
        activation: ``erf`` stands for $\mathrm{erf}(x / \sqrt{2})$.
        dropout: probability that a hidden unit is dropped in training.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010.
    """

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (128, 128)
    activation: Activation = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        sizes = (math.prod(image_shape), *self.hidden, classes)
        layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            layers[f"linear{number}"] = self._linear(inputs, outputs)
            if number <= len(self.hidden):
                layers[f"{self.activation}{number}"] = _ACTIVATIONS[self.activation]()
                if self.dropout:
                    layers[f"dropout{number}"] = nn.Dropout(self.dropout)
        return nn.Sequential(layers)

    def _linear(self, inputs: int, outputs: int) -> nn.Linear:
        layer = nn.Linear(inputs, outputs)
        gain = 1.0 if self.activation == "erf" else nn.init.calculate_gain(self.activation)
        nn.init.xavier_uniform_(layer.weight, gain=gain)
        nn.init.zeros_(layer.bias)
        return layer
