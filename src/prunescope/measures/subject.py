"""What a measure is shown: two populations of networks, a curve of levels, or several recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization
from prunescope.pruning.state import State


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One network on one view; evidence is fetched from the store when it is first read.

    Args:
        seed: of the network.
        classes: class names.
        image_shape: ``(channels, height, width)``.
        normalization: of the inputs.
        fetch: returns the tensors of a kind of evidence, such as ``logits``.
        fetch_state: returns the State.
        fetch_images: returns the images of the view, uint8, before its shift.
        build: returns the network without trained weights.
        fetch_rule: returns what is known of the rule behind the labels, see :meth:`prunescope.data.Source.rule`.
        fetch_history: returns what was recorded of its training, see ``history``.
    """

    seed: int
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    normalization: Normalization
    fetch: Callable[[str], Mapping[str, Tensor]] = field(repr=False)
    fetch_state: Callable[[], State] = field(repr=False)
    fetch_images: Callable[[], Tensor] = field(repr=False)
    build: Callable[[], nn.Module] = field(repr=False)
    fetch_rule: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    fetch_history: Callable[[], Sequence[Mapping[str, Any]]] = field(default=tuple, repr=False)

    @cached_property
    def _evidence(self) -> dict[str, Mapping[str, Tensor]]:
        return {}

    def evidence(self, kind: str) -> Mapping[str, Tensor]:
        """Return the tensors that an inference of this kind left, see ``prunescope.measures.inference``."""
        if kind not in self._evidence:
            self._evidence[kind] = self.fetch(kind)
        return self._evidence[kind]

    @property
    def logits(self) -> Tensor:
        """Logits ``[examples, classes]``, float32."""
        return self.evidence("logits")["logits"]

    @property
    def labels(self) -> Tensor:
        """True labels ``[examples]``."""
        return self.evidence("logits")["labels"]

    @property
    def activations(self) -> Mapping[str, Tensor]:
        """Activations ``{layer: [rows, features]}``, float32, in forward order."""
        return self.evidence("activations")

    @cached_property
    def state(self) -> State:
        """Weights, mask and the rest."""
        return self.fetch_state()

    @cached_property
    def rule(self) -> Mapping[str, Any]:
        """What is known of the rule behind the labels; empty for data that nobody made."""
        return self.fetch_rule()

    @cached_property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """What was recorded of all stages of its life, in order: one entry an epoch, or one for a stage without.

        Each has the number ``stage``, its ``kind`` and ``sparsity``; those of an epoch also ``epoch``, ``step``,
        ``loss``, ``lr`` and what its training recorded. Empty for a network that was not trained here.
        """
        return self.fetch_history()

    @cached_property
    def images(self) -> Tensor:
        """Images of the view ``[examples, channels, height, width]``, uint8, before its shift."""
        return self.fetch_images()

    def network(self) -> nn.Module:
        """Return the trained and masked network in evaluation mode."""
        return self.state.load_into(self.build()).eval()

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
    """Dense networks and pruned ones on one view; the i-th pruned network descends from the i-th dense one.

    ``untrained`` are the same networks at their initial weights, for measures that ask for them.
    """

    dense: tuple[Subject, ...]
    pruned: tuple[Subject, ...]
    untrained: tuple[Subject, ...] = ()

    def __post_init__(self) -> None:
        """Refuse empty or unpaired populations."""
        dense, pruned = [s.seed for s in self.dense], [s.seed for s in self.pruned]
        if not dense or dense != pruned:
            raise PrunescopeError("populations must pair up by seed", expected=dense, got=pruned)

    @cached_property
    def unchanged(self) -> bool:
        """Whether every pruned network gives exactly its parent's logits: the dense networks shown as their own."""
        return all(torch.equal(pair.dense.logits, pair.pruned.logits) for pair in self.pairs)

    @cached_property
    def predictions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Predicted classes of the dense and of the pruned networks, each ``[networks, examples]``, checked."""
        checked_outputs(self.dense + self.pruned)
        return stacked_predictions(self.dense), stacked_predictions(self.pruned)

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
    """Dense networks and their descendants level by level, sparsity rising, on one view or several.

    ``views`` holds by name of the view the populations of each level.
    """

    sparsities: tuple[float, ...]
    views: Mapping[str, tuple[Populations, ...]]

    def __post_init__(self) -> None:
        """Refuse views that do not show every level."""
        for view, levels in self.views.items():
            if len(levels) != len(self.sparsities):
                raise PrunescopeError("levels are missing", expected=len(self.sparsities), got=len(levels), where=view)


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """The populations of several recipes at one sparsity on one view, by name of the recipe."""

    populations: Mapping[str, Populations]

    def __post_init__(self) -> None:
        """Refuse fewer than two recipes."""
        if len(self.populations) < 2:
            raise PrunescopeError("recipes are compared with each other", expected="≥ 2", got=len(self.populations))


def stacked_predictions(subjects: tuple[Subject, ...]) -> NDArray[np.int64]:
    """Return predicted classes ``[networks, examples]`` of checked networks."""
    checked_outputs(subjects)
    return torch.stack([subject.predictions for subject in subjects]).numpy()


def checked_outputs(subjects: tuple[Subject, ...]) -> None:
    """Refuse networks that were not shown the same labelled examples, or whose logits are not finite.

    Raises:
        PrunescopeError: for no example, logits of another shape than ``[examples, classes]``, other labels, NaN.
    """
    labels, classes = subjects[0].labels, len(subjects[0].classes)
    if labels.is_floating_point():
        raise PrunescopeError("real targets have no classes", expected="class labels", got="a single real output")
    if not len(labels):
        raise PrunescopeError("a measure needs at least one example", got=0)
    for subject in subjects:
        where = f"network of seed {subject.seed}"
        if subject.logits.shape != (len(labels), classes):
            expected = f"[{len(labels)}, {classes}]"
            raise PrunescopeError(
                "logits do not fit the examples", expected=expected, got=list(subject.logits.shape), where=where
            )
        if not torch.equal(subject.labels, labels):
            raise PrunescopeError("networks were shown different examples", expected="equal labels", where=where)
        if not bool(torch.isfinite(subject.logits).all()):
            raise PrunescopeError("logits are not finite", where=where, remedy="The network has diverged")
