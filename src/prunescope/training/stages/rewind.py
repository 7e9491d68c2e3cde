"""Rewind: back to an earlier position or earlier weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import Duration, DurationField
from prunescope.pruning import State
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("rewind")
class Rewind(Stage):
    """Go back: ``lr`` to the start of the schedule, ``weights`` also to the weights at ``at`` of the first Train.

    The mask stays; masked weights stay zero; the optimiser starts afresh; what is frozen is not rewound. After
    ``weights`` the next Train goes on from ``at`` with its schedule fast-forwarded.
    """

    to: Literal["lr", "weights"]
    at: DurationField = Duration()

    def __call__(self, state: State, context: Context) -> State:
        """Return the rewound state."""
        if self.to == "lr":
            return replace(state, step=0, optimizer={})
        if context.early is None:
            raise PrunescopeError("there is no earlier state to rewind to", where="rewind")
        weights = {n: state.weights[n] if n in state.frozen else w for n, w in context.early.weights.items()}
        early = replace(state, weights=weights, step=context.early.step, optimizer={})
        return early.with_mask(state.mask)
