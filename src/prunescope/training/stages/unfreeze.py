"""Unfreeze: what later stages may change again."""

from __future__ import annotations

from dataclasses import replace

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns, matching
from prunescope.pruning import State
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("unfreeze")
class Unfreeze(Stage):
    """Release what is frozen: all of it, or what ``names`` fit.

    Attributes:
        names: patterns of layers or tensors.
    """

    names: Patterns = ()

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with less of it frozen.

        Raises:
            PrunescopeError: when nothing is frozen, or a pattern fits nothing frozen.
        """
        if not state.frozen:
            raise PrunescopeError("nothing is frozen", where="unfreeze")
        released = matching(state.frozen, self.names, "unfreeze") if self.names else state.frozen
        return replace(state, frozen=state.frozen - released)
