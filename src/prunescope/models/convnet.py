"""A small batch-norm convolution network for small images."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model
from prunescope.models.projection import Auxiliary, Projection, projection_head


class Branched(nn.Sequential):
    """Layers one after another; an auxiliary one is shown what reaches it, for its tap alone, and changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        for layer in self:
            if isinstance(layer, Auxiliary):
                layer(x)
            else:
                x = layer(x)
        return x


@MODELS.register("convnet")
class ConvNet(Model):
    """Three 3×3 convolutions (``width``, 2·``width``, 4·``width`` filters; strides 2, 1, 2) with batch norm and ReLU.

    Global average pooling and one linear layer follow, so the parameter count does not depend on the image size.
    The first stride of 2 keeps a step cheap: ten epochs of 8×8 digits take well under a second on one core.

    Attributes:
        width: filters of the first convolution.
        projection: a head of 128 numbers beside the classifier, for contrastive training of the layer
            ``projection``; the logits do not depend on it.
    """

    smallest: ClassVar[int] = 4

    width: Annotated[int, Field(ge=1)] = 16
    projection: Projection = "none"

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = image_shape[0]
        for number, (outputs, stride) in enumerate(((self.width, 2), (2 * self.width, 1), (4 * self.width, 2)), 1):
            layers[f"conv{number}"] = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            layers[f"bn{number}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{number}"] = nn.ReLU()
            inputs = outputs
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        head = projection_head(inputs, self.projection)
        if head is not None:
            layers["projection"] = head
        layers["linear"] = nn.Linear(inputs, classes)
        return nn.Sequential(layers) if head is None else Branched(layers)
