"""ResetOptimizer: momentum and other slots forgotten."""

from __future__ import annotations

from dataclasses import replace

from prunescope.pruning import State
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("reset_optimizer")
class ResetOptimizer(Stage):
    """Forget the optimiser's momentum and other slots; weights, mask and position in the schedule stay.

    It matters after a Train with ``stop``; a finished Train keeps no slots.
    """

    def __call__(self, state: State, context: Context) -> State:
        """Return the state without optimiser slots."""
        return replace(state, optimizer={})
