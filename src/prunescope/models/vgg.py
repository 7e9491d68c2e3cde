"""VGG-16 with batch norm, for small images."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from prunescope.models.model import MODELS, ImageShape, Model

_FILTERS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@MODELS.register("vgg16")
class VGG16(Model):
    """VGG-16 with batch norm: thirteen 3×3 convolutions in five groups, each with a max-pool, and one linear layer.

    A 32×32 image reaches the linear layer as 512 numbers; 14 728 266 parameters with 10 classes. ``features`` has
    torchvision's names. Convolutions are He normal (fan-out), the linear layer is normal with deviation 0.01.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
    configuration D (there with three linear layers).
    """

    smallest: ClassVar[int] = 32
    gpu_share: ClassVar[float] = 1.0

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        inputs, height, width = image_shape
        layers: list[nn.Module] = []
        for group in _FILTERS:
            for outputs in group:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        net = nn.Sequential()
        net.add_module("features", nn.Sequential(*layers))
        net.add_module("flatten", nn.Flatten())
        net.add_module("classifier", nn.Linear(inputs * (height // 32) * (width // 32), classes))
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        return net
