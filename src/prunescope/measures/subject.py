"""What a measure is shown: one network, a pair, two populations, or a curve of levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.state import State


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One network on one view; evidence is fetched from the store when it is first read.

    Args:
        seed: of the network.
        classes: class names.
        image_shape: ``(channels, height, width)``.
        fetch_logits: returns logits ``[examples, classes]``.
        fetch_labels: returns true labels ``[examples]``.
        fetch_state: returns the State.
        build: returns the network without trained weights, for counting multiply-adds.
    """

    seed: int
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    fetch_logits: Callable[[], Tensor] = field(repr=False)
    fetch_labels: Callable[[], Tensor] = field(repr=False)
    fetch_state: Callable[[], State] = field(repr=False)
    build: Callable[[], nn.Module] = field(repr=False)

    @cached_property
    def logits(self) -> Tensor:
        """Logits ``[examples, classes]``, float32."""
        return self.fetch_logits()

    @cached_property
    def labels(self) -> Tensor:
        """True labels ``[examples]``."""
        return self.fetch_labels()

    @cached_property
    def state(self) -> State:
        """Weights, mask and the rest."""
        return self.fetch_state()

    @cached_property
    def predictions(self) -> Tensor:
        """Predicted classes ``[examples]``; a tie between logits goes to the lowest class."""
        return self.logits.argmax(dim=1)

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax probabilities ``[examples, classes]``, float64."""
        return torch.softmax(self.logits.double(), dim=1)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A dense network and one pruned from it (same seed, same view)."""

    dense: Subject
    pruned: Subject


@dataclass(frozen=True, kw_only=True)
class Populations:
    """Dense networks and pruned ones on one view; the i-th pruned network descends from the i-th dense one."""

    dense: tuple[Subject, ...]
    pruned: tuple[Subject, ...]

    def __post_init__(self) -> None:
        """Refuse empty or unpaired populations."""
        dense, pruned = [s.seed for s in self.dense], [s.seed for s in self.pruned]
        if not dense or dense != pruned:
            raise PrunescopeError("populations must pair up by seed", expected=dense, got=pruned)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of equal seed."""
        return tuple(Pair(dense=d, pruned=p) for d, p in zip(self.dense, self.pruned, strict=True))

    @property
    def labels(self) -> NDArray[np.int64]:
        """True labels ``[examples]``, shared by all networks."""
        return self.dense[0].labels.numpy()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self.dense[0].classes


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Dense networks and their descendants level by level, sparsity rising."""

    sparsities: tuple[float, ...]
    levels: tuple[Populations, ...]


def stacked_predictions(subjects: tuple[Subject, ...]) -> NDArray[np.int64]:
    """Return predicted classes ``[networks, examples]``."""
    return torch.stack([subject.predictions for subject in subjects]).numpy()
