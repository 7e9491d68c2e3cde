"""ResNet-18, with the stem of ImageNet or one for small images."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with batch norm, added to the shortcut before the last ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(out + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


@MODELS.register("resnet18")
class ResNet18(Model):
    """ResNet-18: a stem, four layers of two blocks with 64, 128, 256 and 512 filters, and a linear layer.

    11 173 962 parameters with the ``cifar`` stem and 10 classes, 11 689 512 with the ``imagenet`` stem and 1000.
    Parameters have torchvision's names, so that its checkpoints load. Convolutions are He normal (fan-out).

    Attributes:
        stem: ``cifar`` is one 3×3 convolution; ``imagenet`` a 7×7 convolution of stride 2 and a max-pool of stride 2.
        head: ``linear`` goes from 512 to the classes; ``hidden`` has 100 ReLU units between.
        width: filters of the first layer.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.1.
    """

    smallest: ClassVar[int] = 4
    gpu_share: ClassVar[float] = 1.0

    stem: Literal["cifar", "imagenet"] = "cifar"
    head: Literal["linear", "hidden"] = "linear"
    width: Annotated[int, Field(ge=1)] = 64

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        net = nn.Sequential()
        for name, module in self._stem(image_shape[0]):
            net.add_module(name, module)
        widths = [self.width, self.width, 2 * self.width, 4 * self.width, 8 * self.width]
        for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            blocks = BasicBlock(inputs, outputs, 1 if number == 1 else 2), BasicBlock(outputs, outputs, 1)
            net.add_module(f"layer{number}", nn.Sequential(*blocks))
        net.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
        net.add_module("flatten", nn.Flatten())
        net.add_module("fc", self._head(widths[-1], classes))
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        return net

    def _stem(self, channels: int) -> list[tuple[str, nn.Module]]:
        small = self.stem == "cifar"
        conv = nn.Conv2d(channels, self.width, 3 if small else 7, stride=1 if small else 2, padding=1 if small else 3,
                         bias=False)  # fmt: skip
        stem: list[tuple[str, nn.Module]] = [("conv1", conv), ("bn1", nn.BatchNorm2d(self.width)), ("relu", nn.ReLU())]
        return stem if small else [*stem, ("maxpool", nn.MaxPool2d(3, stride=2, padding=1))]

    def _head(self, inputs: int, classes: int) -> nn.Module:
        if self.head == "linear":
            return nn.Linear(inputs, classes)
        return nn.Sequential(nn.Linear(inputs, 100), nn.ReLU(), nn.Linear(100, classes))
