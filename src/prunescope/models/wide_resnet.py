"""Wide residual networks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from prunescope.models.model import MODELS, ImageShape, Model
from prunescope.models.projection import Projection, projection_head


class Block(nn.Module):
    """Batch norm, ReLU and 3×3 convolution, twice, added to the input (to a 1×1 convolution where widths differ)."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        widens = inputs != outputs
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if widens else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; where widths differ, the shortcut too starts after the first ReLU."""
        active = self.relu1(self.bn1(x))
        out = self.relu2(self.bn2(self.conv1(active)))
        out = self.conv2(out if self.dropout is None else self.dropout(out))
        return out + (x if self.convShortcut is None else self.convShortcut(active))  # type: ignore[no-any-return]


class WideNet(nn.Module):
    """Stem, three groups of blocks, batch norm, ReLU, global average pooling and a linear layer.

    Names follow the checkpoints in circulation: ``conv1``, ``block1.layer.0.conv1``, …, ``bn1``, ``fc``.
    """

    def __init__(
        self, channels: int, classes: int, *, blocks: int, widen: int, dropout: float, projection: Projection
    ) -> None:
        super().__init__()
        latent = 64 * widen
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.block1 = _group(16, 16 * widen, blocks, 1, dropout)
        self.block2 = _group(16 * widen, 32 * widen, blocks, 2, dropout)
        self.block3 = _group(32 * widen, latent, blocks, 2, dropout)
        self.bn1 = nn.BatchNorm2d(latent)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.projection = projection_head(latent, projection)
        self.fc = nn.Linear(latent, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        out = self.block3(self.block2(self.block1(self.conv1(x))))
        latent = self.flatten(self.pool(self.relu(self.bn1(out))))
        if self.projection is not None:
            self.projection(latent)  # for its tap alone: a contrastive objective reads it there
        return self.fc(latent)  # type: ignore[no-any-return]


def _group(inputs: int, outputs: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
    """Return the blocks under the name ``layer``; the first widens and may halve the image."""
    first = Block(inputs, outputs, stride, dropout)
    group = nn.Sequential()
    group.add_module("layer", nn.Sequential(first, *(Block(outputs, outputs, 1, dropout) for _ in range(blocks - 1))))
    return group


class WideResNet(Model):
    """The pre-activation ResNet of depth 6·``blocks`` + 4 for small images, ``widen`` times as wide as the first.

    Convolutions are He normal (fan-out), without bias.

    Attributes:
        dropout: probability that a unit between the two convolutions of a block is dropped in training.
        projection: a head of 128 numbers beside the classifier, for contrastive training of the layer
            ``projection``; the logits do not depend on it. ``mlp`` has one hidden ReLU layer.

    Source: Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016; the projection head: Khosla et al.,
    Supervised Contrastive Learning, NeurIPS 2020.
    """

    smallest: ClassVar[int] = 4
    blocks: ClassVar[int]
    widen: ClassVar[int]

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    projection: Projection = "none"

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network."""
        return WideNet(
            image_shape[0],
            classes,
            blocks=self.blocks,
            widen=self.widen,
            dropout=self.dropout,
            projection=self.projection,
        )


@MODELS.register("wrn16_2")
class WRN16x2(WideResNet):
    """WRN-16-2: two blocks a group, twice as wide, 0.7 million parameters."""

    blocks: ClassVar[int] = 2
    widen: ClassVar[int] = 2


@MODELS.register("wrn16_8")
class WRN16x8(WideResNet):
    """WRN-16-8: two blocks a group, eight times as wide, 11 million parameters."""

    blocks: ClassVar[int] = 2
    widen: ClassVar[int] = 8
    gpu_share: ClassVar[float] = 1.0
