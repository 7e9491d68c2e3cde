"""Augmentations that change colours: jitter of brightness, contrast, saturation and hue, and loss of colour."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunescope.data.augment import AUGMENTATIONS, Augmentation
from prunescope.data.shifts.color import grey

Strength = Annotated[float, Field(ge=0, le=1)]


@AUGMENTATIONS.register("color_jitter")
class ColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue of some images by random amounts.

    Factors are uniform in [1 − b, 1 + b], the turn of the hue in [−hue, hue] of the circle. Brightness multiplies;
    contrast mixes with the image's mean grey value, saturation with each pixel's; the order is drawn once a batch.
    Images without three channels have no saturation and no hue.

    Attributes:
        brightness: b of brightness.
        contrast: b of contrast.
        saturation: b of saturation.
        hue: at most ½.
        probability: that an image is changed at all.

    Source: Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020; the
    amounts: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020.
    """

    brightness: Strength = 0.4
    contrast: Strength = 0.4
    saturation: Strength = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    probability: Strength = 0.8

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images, changed or not."""
        n = len(images)
        draws = (2 * torch.rand(4, n, 1, 1, 1, generator=generator) - 1).to(images.device)
        chosen = (torch.rand(n, 1, 1, 1, generator=generator) < self.probability).to(images.device)
        strengths = (self.brightness, self.contrast, self.saturation, self.hue)
        changed = images / 255 if images.dtype == torch.uint8 else images
        for number in torch.randperm(4, generator=generator).tolist():
            amount = draws[number] * strengths[number]
            changed = _CHANGES[number](changed, amount).clamp_(0, 1)
        if images.dtype == torch.uint8:
            changed = (changed * 255).round_().to(torch.uint8)
        return torch.where(chosen, changed, images)


@AUGMENTATIONS.register("grayscale")
class Grayscale(Augmentation):
    """Take the colour from some images: every channel becomes the grey value. Others than RGB stay as they are.

    Attributes:
        probability: that an image loses its colour.
    """

    probability: Strength = 0.2

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images, grey or not."""
        chosen = (torch.rand(len(images), 1, 1, 1, generator=generator) < self.probability).to(images.device)
        if images.shape[1] != 3:
            return images.clone()
        value = grey(images.float())
        value = value.round() if images.dtype == torch.uint8 else value
        return torch.where(chosen, value.to(images.dtype), images)


def _brighten(images: Tensor, amount: Tensor) -> Tensor:
    return images * (1 + amount)


def _contrast(images: Tensor, amount: Tensor) -> Tensor:
    value = grey(images) if images.shape[1] == 3 else images
    mean = value.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + amount)


def _saturate(images: Tensor, amount: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.clone()
    value = grey(images)
    return value + (images - value) * (1 + amount)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Return RGB images in [0, 1] with the hue turned by a share of the circle, HSV saturation and value kept.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> turn_hue(red, torch.tensor(1 / 3)).flatten().tolist()
        [0.0, 1.0, 0.0]
    """
    if images.shape[1] != 3:
        return images.clone()
    value, top = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    # In sixths of the circle: the channel after the largest minus the one before it, from the largest's own place.
    after, before = (images.gather(1, (top + i) % 3) for i in (1, 2))
    sixths = 2 * top + (after - before) / chroma.clamp(min=1e-12) + 6 * turn
    places = torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1)
    k = (places + sixths) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


_CHANGES = (_brighten, _contrast, _saturate, turn_hue)
