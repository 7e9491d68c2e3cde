"""LeNet-300-100."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from prunescope.models.model import MODELS, ImageShape, Model


@MODELS.register("lenet300")
class LeNet300(Model):
    """Fully connected layers of 300 and 100 ReLU units; 266 610 parameters for 28×28 digits.

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proceedings of the IEEE 1998
    (there with other activations).
    """

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        return nn.Sequential(
            OrderedDict[str, nn.Module](
                flatten=nn.Flatten(),
                fc1=nn.Linear(math.prod(image_shape), 300),
                relu1=nn.ReLU(),
                fc2=nn.Linear(300, 100),
                relu2=nn.ReLU(),
                fc3=nn.Linear(100, classes),
            )
        )
