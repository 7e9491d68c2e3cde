"""The CIFAR ResNet family."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model


class Subsample(nn.Module):
    """Shortcut A: every second pixel, with zero channels added evenly on both sides; no parameters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, outputs, ⌈h/2⌉, ⌈w/2⌉]``."""
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))

    def sources(self) -> Tensor:
        """Return which channel of the input each channel of the output shows, -1 for zeros."""
        return nn.functional.pad(torch.arange(self.inputs), (self.before, self.after), value=-1)


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm, added to the shortcut before the last ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(out + (x if self.shortcut is None else self.shortcut(x)))  # type: ignore[no-any-return]


class CifarResNet(nn.Module):
    """Stem, three layers of ``blocks`` blocks, global average pooling and a linear layer.

    Names follow the checkpoints in circulation: ``conv1``, ``bn1``, ``layer1.0.conv1``, …, ``linear``.
    """

    def __init__(self, channels: int, classes: int, *, blocks: int, width: int, shortcut: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = _layer(width, width, blocks, shortcut)
        self.layer2 = _layer(width, 2 * width, blocks, shortcut)
        self.layer3 = _layer(2 * width, 4 * width, blocks, shortcut)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        return self.linear(self.flatten(self.pool(out)))  # type: ignore[no-any-return]


def _layer(inputs: int, outputs: int, blocks: int, shortcut: Literal["A", "B"]) -> nn.Sequential:
    """Return ``blocks`` blocks; the first halves the image where the channels double."""
    first = Block(inputs, outputs, 1 if inputs == outputs else 2, _shortcut(inputs, outputs, shortcut))
    return nn.Sequential(first, *(Block(outputs, outputs, 1, None) for _ in range(blocks - 1)))


def _shortcut(inputs: int, outputs: int, kind: Literal["A", "B"]) -> nn.Module | None:
    if inputs == outputs:
        return None
    if kind == "A":
        return Subsample(inputs, outputs)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))


class ResNet(Model):
    """The ResNet of depth 6·``blocks`` + 2 for small images.

    Convolutions are He normal (fan-out), without bias. Global average pooling lets it take any image size.

    Attributes:
        shortcut: where the image is halved: ``A`` subsamples and adds zero channels, ``B`` is a 1×1 convolution
            with batch norm.
        width: filters of the first layer; the others have two and four times as many.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2.
    """

    smallest: ClassVar[int] = 4
    blocks: ClassVar[int]

    shortcut: Literal["A", "B"] = "A"
    width: Annotated[int, Field(ge=1)] = 16

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        return CifarResNet(image_shape[0], classes, blocks=self.blocks, width=self.width, shortcut=self.shortcut)


@MODELS.register("resnet20")
class ResNet20(ResNet):
    """ResNet-20: 3 blocks a layer, 0.27 million parameters."""

    blocks: ClassVar[int] = 3


@MODELS.register("resnet32")
class ResNet32(ResNet):
    """ResNet-32: 5 blocks a layer, 0.46 million parameters."""

    blocks: ClassVar[int] = 5


@MODELS.register("resnet44")
class ResNet44(ResNet):
    """ResNet-44: 7 blocks a layer, 0.66 million parameters."""

    blocks: ClassVar[int] = 7


@MODELS.register("resnet56")
class ResNet56(ResNet):
    """ResNet-56: 9 blocks a layer, 0.85 million parameters."""

    blocks: ClassVar[int] = 9


@MODELS.register("resnet110")
class ResNet110(ResNet):
    """ResNet-110: 18 blocks a layer, 1.7 million parameters."""

    blocks: ClassVar[int] = 18
