"""A small fully convolutional VGG-like network."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from prunescope.models.model import MODELS, ImageShape, Model

_FILTERS = ((32, 32), (64, 64), (128, 128), (256,))


@MODELS.register("svhn_net")
class SVHNNet(Model):
    """Seven 3×3 convolutions (32, 32, 64, 64, 128, 128, 256) with batch norm, a max-pool after each width, one linear.

    Global average pooling lets it take any image size from 16; 586 154 parameters with 3 channels and 10 classes.

    Source: the network for SVHN of Ansuini et al., Investigating Similarity Metrics for Convolutional Neural Networks
    in the Case of Unstructured Pruning, ICPRAM 2020.
    """

    smallest: ClassVar[int] = 16

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        inputs = image_shape[0]
        layers: list[nn.Module] = []
        for group in _FILTERS:
            for outputs in group:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        net = nn.Sequential()
        net.add_module("features", nn.Sequential(*layers))
        net.add_module("pool", nn.AdaptiveAvgPool2d(1))
        net.add_module("flatten", nn.Flatten())
        net.add_module("classifier", nn.Linear(inputs, classes))
        return net
