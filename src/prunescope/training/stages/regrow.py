"""Regrow: pruned weights take part again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from prunescope.core.errors import PrunescopeError
from prunescope.core.seeds import derived_seed
from prunescope.pruning import Mask, State
from prunescope.training.stages.stage import STAGES, Context, Stage
from prunescope.training.stages.targets import changeable


@STAGES.register("regrow")
class Regrow(Stage):
    """Lift the mask, so that training may change the pruned weights again; frozen tensors keep theirs.

    Kept weights stay as they are; the optimiser's slots of the others start at zero.

    Attributes:
        start: pruned weights begin at ``zero``, or at ``init``: a seeded draw, without replacement, from the initial
            weights of their tensor.
    """

    start: Literal["zero", "init"] = "zero"

    def sparsity_after(self, before: float) -> float:
        """Return 0."""
        return 0.0

    def __call__(self, state: State, context: Context) -> State:
        """Return the state without a mask.

        Raises:
            PrunescopeError: when nothing is pruned.
        """
        part = changeable(state, (), "regrow")
        if part.kept == part.total:
            raise PrunescopeError("nothing is pruned that could grow back", where="regrow")
        weights = dict(state.weights)
        if self.start == "init":
            initial = dict(context.build().named_parameters())
            generator = torch.Generator().manual_seed(derived_seed(state.seed, "regrow"))
            for name, kept in part.items():
                drawn = initial[name].detach().flatten()[torch.randperm(kept.numel(), generator=generator)]
                weights[name] = torch.where(kept, weights[name], drawn.view(kept.shape))
        whole = {name: torch.ones_like(kept) for name, kept in part.items()}
        return replace(state, weights=weights, mask=Mask({**state.mask, **whole}))


@dataclass(frozen=True, kw_only=True)
class Regrowth:
    """What became of the pruned weights of one tensor.

    Args:
        revived: weights that were pruned before and are not now.
        grown: those of them that are not zero.
        size: mean absolute value of the grown ones, None where there are none.
    """

    revived: int
    grown: int
    size: float | None


def regrowth(before: State, after: State) -> dict[str, Regrowth]:
    """Return, by tensor, how many weights grew back between two states of one network, and how large they are.

    Args:
        before: a state under a mask.
        after: a later state.
    """
    found = {}
    for name, kept in before.mask.items():
        weights = after.weights[name][~kept & after.mask[name]]
        grown = weights[weights != 0]
        size = float(grown.abs().mean()) if len(grown) else None
        found[name] = Regrowth(revived=len(weights), grown=len(grown), size=size)
    return found
