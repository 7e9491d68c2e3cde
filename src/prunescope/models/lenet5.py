"""LeNet-5 with ReLU and average pooling."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import nn

from prunescope.models.model import MODELS, ImageShape, Model


@MODELS.register("lenet5")
class LeNet5(Model):
    """Two 5×5 convolutions (6 and 16 filters) with average pooling, then 120, 84 and ``classes`` units.

    A 28×28 image reaches the first linear layer as 16·4·4 = 256 numbers; 44 426 parameters in all.

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proceedings of the IEEE 1998
    (there with other activations and subsampling).
    """

    smallest: ClassVar[int] = 16

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        channels, height, width = image_shape
        flat = 16 * _pooled(_pooled(height)) * _pooled(_pooled(width))
        return nn.Sequential(
            OrderedDict[str, nn.Module](
                conv1=nn.Conv2d(channels, 6, 5),
                relu1=nn.ReLU(),
                pool1=nn.AvgPool2d(2),
                conv2=nn.Conv2d(6, 16, 5),
                relu2=nn.ReLU(),
                pool2=nn.AvgPool2d(2),
                flatten=nn.Flatten(),
                fc1=nn.Linear(flat, 120),
                relu3=nn.ReLU(),
                fc2=nn.Linear(120, 84),
                relu4=nn.ReLU(),
                fc3=nn.Linear(84, classes),
            )
        )


def _pooled(side: int) -> int:
    """Return the side after one 5×5 convolution without padding and one 2×2 pooling."""
    return (side - 4) // 2
