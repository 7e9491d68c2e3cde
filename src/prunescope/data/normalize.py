"""Normalization of network inputs by channel."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError

_CHUNK = 4096


class Normalization(Config):
    r"""Images in [0, 1] to network inputs, $(x - \mathrm{mean}) / \mathrm{std}$ for each channel.

    Attributes:
        mean: by channel, of images in [0, 1].
        std: by channel, positive.

    Example:
        >>> Normalization(mean=(0.5,), std=(0.5,))(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).tolist()
        [[[[-1.0, 1.0]]]]
    """

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]

    @model_validator(mode="after")
    def _one_pair_a_channel(self) -> Normalization:
        if len(self.mean) != len(self.std) or not self.mean:
            expected, got = "one mean and one std for each channel", f"{len(self.mean)} and {len(self.std)}"
            raise PrunescopeError("mean and std do not match", expected=expected, got=got)
        return self

    @staticmethod
    def of(images: Tensor) -> Normalization:
        """Return the exact mean and (population) standard deviation of each channel; 0 and 1 for real inputs.

        Args:
            images: uint8 ``[n, channels, height, width]``, or float: real inputs, which are taken as they are.

        Raises:
            PrunescopeError: for no images, or a channel with one value only.
        """
        if images.is_floating_point():
            return Normalization(mean=(0.0,) * images.shape[1], std=(1.0,) * images.shape[1])
        pairs = [_moments(_histogram(images[:, channel])) for channel in range(images.shape[1])]
        constant = [channel for channel, (_, std) in enumerate(pairs) if std == 0]
        if constant or not images.numel():
            got = f"channel {constant[0]} with one value only" if constant else "no images"
            raise PrunescopeError("these images have no spread to normalise by", got=got)
        return Normalization(mean=tuple(m for m, _ in pairs), std=tuple(s for _, s in pairs))

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 inputs, on the device of ``images``.

        Args:
            images: ``[n, channels, height, width]``, uint8, or float in [0, 1].

        Raises:
            PrunescopeError: for another number of channels.
        """
        if images.ndim != 4 or images.shape[1] != len(self.mean):
            got = tuple(images.shape)
            expected = f"[n, {len(self.mean)}, height, width]"
            raise PrunescopeError("images do not fit the normalisation", expected=expected, got=got)
        unit = 255.0 if images.dtype == torch.uint8 else 1.0
        scale = torch.tensor([1 / (std * unit) for std in self.std], device=images.device)
        offset = torch.tensor([mean / std for mean, std in zip(self.mean, self.std, strict=True)], device=images.device)
        inputs = images.to(torch.float32, copy=True)
        return inputs.mul_(scale.view(-1, 1, 1)).sub_(offset.view(-1, 1, 1))


def _histogram(values: Tensor) -> list[int]:
    """Count each of the 256 values, chunk by chunk."""
    counts = torch.zeros(256, dtype=torch.int64, device=values.device)
    for chunk in torch.split(values, _CHUNK):
        counts += torch.bincount(chunk.flatten(), minlength=256)
    return counts.tolist()


def _moments(counts: list[int]) -> tuple[float, float]:
    """Return mean and standard deviation of ``value / 255``, from exact integer sums."""
    n = max(sum(counts), 1)
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    return total / (255 * n), (n * squares - total * total) ** 0.5 / (255 * n)
