"""DenseNet-22 for small images."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model


class Bottleneck(nn.Module):
    """A 1×1 convolution to four times the growth and a 3×3 one to the growth, put after the input's channels."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, inputs + growth, h, w]``."""
        return torch.cat([x, self.conv2(self.relu2(self.bn2(self.conv1(self.relu1(self.bn1(x))))))], dim=1)


@MODELS.register("densenet22")
class DenseNet22(Model):
    """DenseNet-BC of depth 22: three dense blocks of three bottlenecks, growth 12, channels halved between blocks.

    71 686 parameters with 10 classes (convolutions, batch norms and the linear layer). Depth counts the stem, two
    convolutions a bottleneck, two transitions and the linear layer. Convolutions are He normal (fan-out).

    Attributes:
        growth: channels that each bottleneck adds.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017.
    """

    smallest: ClassVar[int] = 4

    growth: Annotated[int, Field(ge=1)] = 12

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        net = nn.Sequential()
        width = 2 * self.growth
        net.add_module("conv1", nn.Conv2d(image_shape[0], width, 3, padding=1, bias=False))
        for number in (1, 2, 3):
            dense = nn.Sequential(*(Bottleneck(width + i * self.growth, self.growth) for i in range(3)))
            net.add_module(f"dense{number}", dense)
            width += 3 * self.growth
            if number < 3:
                net.add_module(f"trans{number}", _transition(width, width // 2))
                width //= 2
        net.add_module("bn", nn.BatchNorm2d(width))
        net.add_module("relu", nn.ReLU())
        net.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
        net.add_module("flatten", nn.Flatten())
        net.add_module("fc", nn.Linear(width, classes))
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        return net


def _transition(inputs: int, outputs: int) -> nn.Sequential:
    """Return what halves channels and sides between two dense blocks."""
    transition = nn.Sequential()
    transition.add_module("bn1", nn.BatchNorm2d(inputs))
    transition.add_module("relu", nn.ReLU())
    transition.add_module("conv1", nn.Conv2d(inputs, outputs, 1, bias=False))
    transition.add_module("pool", nn.AvgPool2d(2))
    return transition
