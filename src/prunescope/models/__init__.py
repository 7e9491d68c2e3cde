"""Architectures, their seeded construction, and named activation taps."""

from prunescope.models.committee import Committee
from prunescope.models.convnet import ConvNet
from prunescope.models.densenet import DenseNet22
from prunescope.models.foreign import Foreign, load_factory
from prunescope.models.lenet5 import LeNet5
from prunescope.models.lenet300 import LeNet300
from prunescope.models.mlp import MLP
from prunescope.models.model import MODELS, Model, build
from prunescope.models.pretrained import Pretrained
from prunescope.models.projection import Auxiliary, auxiliary
from prunescope.models.resnet import ResNet, ResNet20, ResNet32, ResNet44, ResNet56, ResNet110
from prunescope.models.resnet18 import ResNet18
from prunescope.models.svhn_net import SVHNNet
from prunescope.models.taps import activations, stream_activations, tap_names
from prunescope.models.vgg import VGG16
from prunescope.models.wide_resnet import WideResNet, WRN16x2, WRN16x8

__all__ = [
    "MLP",
    "MODELS",
    "VGG16",
    "Auxiliary",
    "Committee",
    "ConvNet",
    "DenseNet22",
    "Foreign",
    "LeNet5",
    "LeNet300",
    "Model",
    "Pretrained",
    "ResNet",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet44",
    "ResNet56",
    "ResNet110",
    "SVHNNet",
    "WRN16x2",
    "WRN16x8",
    "WideResNet",
    "activations",
    "auxiliary",
    "build",
    "load_factory",
    "stream_activations",
    "tap_names",
]
