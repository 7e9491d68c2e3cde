"""Architectures, their seeded construction, and named activation taps."""

from prunescope.models.convnet import ConvNet
from prunescope.models.lenet5 import LeNet5
from prunescope.models.mlp import MLP
from prunescope.models.model import MODELS, Model, build
from prunescope.models.resnet import ResNet, ResNet20, ResNet32, ResNet44, ResNet56, ResNet110
from prunescope.models.taps import activations, stream_activations, tap_names

__all__ = [
    "MLP",
    "MODELS",
    "ConvNet",
    "LeNet5",
    "Model",
    "ResNet",
    "ResNet20",
    "ResNet32",
    "ResNet44",
    "ResNet56",
    "ResNet110",
    "activations",
    "build",
    "stream_activations",
    "tap_names",
]
