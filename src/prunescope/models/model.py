"""The contract of a model family member, and the one seeded way to build a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry

ImageShape = tuple[int, int, int]


class Model(Member, ABC):
    """An architecture with its options; calling it returns a freshly initialised network that gives logits.

    ``smallest`` is the shortest side of an image, in pixels, that the architecture can take; ``gpu_share`` the part
    of a GPU that one such network keeps busy.
    """

    smallest: ClassVar[int] = 1
    gpu_share: ClassVar[float] = 0.25

    @abstractmethod
    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network for images ``(channels, height, width)`` and this number of classes."""


MODELS: Registry[Model] = Registry("models")


def build(model: Model, image_shape: ImageShape, classes: int, seed: int) -> nn.Module:
    """Return the network of ``model``, initialised from ``seed`` alone, on the CPU.

    The same seed gives bitwise the same weights; the ambient random state is neither read nor changed.

    Args:
        model: a member of ``MODELS``.
        image_shape: ``(channels, height, width)``.
        classes: number of logits.
        seed: of the initial weights.

    Raises:
        PrunescopeError: for images too small for the architecture, or no channel or class.

    Example:
        >>> from prunescope.models import LeNet5
        >>> sum(p.numel() for p in build(LeNet5(), (1, 28, 28), classes=10, seed=0).parameters())
        44426
    """
    channels, height, width = image_shape
    if channels < 1 or classes < 1:
        got = f"{channels} channels, {classes} classes"
        raise PrunescopeError("a network needs input and output", expected="≥ 1 each", got=got, where=model.member_name)
    if min(height, width) < model.smallest:
        expected = f"sides of at least {model.smallest} pixels"
        got = f"{height}×{width}"
        raise PrunescopeError("images too small for this model", expected=expected, got=got, where=model.member_name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return model(image_shape, classes)
