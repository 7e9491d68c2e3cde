"""The contract of a stage, and what it may use besides the state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry
from prunescope.data import Dataset, Normalization
from prunescope.pruning import State
from prunescope.training.loop import Callback

Likeness = Literal["no", "close", "exact"]
Share = Annotated[float, Field(ge=0, lt=1)]


class Build(Protocol):
    """Returns the network at its initial weights: those of its own seed, or of another."""

    def __call__(self, seed: int | None = None) -> nn.Module:
        """Return the network."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a stage may use besides the state.

    Args:
        build: returns the network without trained weights.
        split: returns ``train`` or ``validation`` images on the device.
        normalization: of network inputs.
        early: the state a Rewind returns to.
        whole: the state before the last pruning, which a Reweight compares with.
        sampled: what :attr:`Prune.sampled` asked for, where it was computed before.
        resume: a state saved inside this stage, to go on from.
        callbacks: called after each epoch of training.
        rule: how the labels came about, where that is known, see :meth:`prunescope.data.Source.rule`.
    """

    build: Build
    split: Callable[[str], Dataset]
    normalization: Normalization
    early: State | None = None
    whole: State | None = None
    sampled: Mapping[str, Tensor] | None = None
    resume: State | None = None
    callbacks: Sequence[Callback] = field(default_factory=tuple)
    rule: Mapping[str, Any] = field(default_factory=dict)


class Apart(PrunescopeError):
    """Siblings are better put through a stage one by one."""


class Stage(Member, ABC):
    """State in, State out.

    Every stage keeps two promises: pruned weights are zero, and what is frozen (weights, statistics, masks) stays
    bit for bit as it is until it is unfrozen.
    """

    @abstractmethod
    def __call__(self, state: State, context: Context) -> State:
        """Return the state after this stage."""

    def together(self, states: Sequence[State], contexts: Sequence[Context], *, measured: bool = False) -> list[State]:
        """Return what each network would reach alone.

        Args:
            states: networks that differ only by seed.
            contexts: of each.
            measured: whether one after another is tried too, if it might be faster.

        Raises:
            Apart: when it is.
        """
        return [self(state, context) for state, context in zip(states, contexts, strict=True)]

    @property
    def takes_siblings(self) -> Likeness:
        """How near :meth:`together`, where it is of use, comes to what each network would reach alone.

        ``exact`` is bit for bit, ``close`` up to the rounding of sums.
        """
        return "no"

    @property
    def needs_data(self) -> bool:
        """Whether the stage looks at images."""
        return False

    @property
    def prunes(self) -> bool:
        """Whether the stage prunes."""
        return False

    @property
    def lacks_amount(self) -> bool:
        """Whether the stage prunes to a sparsity that the recipe's levels give."""
        return False

    def at_level(self, sparsity: float) -> Stage:
        """Return the stage with the amount it lacks."""
        return self.model_copy(update={"sparsity": sparsity}) if self.lacks_amount else self

    def at_draw(self, draw: int) -> Stage:
        """Return the stage with random choices of its own for each draw, the first of which is 0."""
        return self

    def sparsity_after(self, before: float) -> float:
        """Return the sparsity this stage leads to, before rounding to whole weights."""
        return before


STAGES: Registry[Stage] = Registry("stages")
