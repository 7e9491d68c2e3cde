"""Reinitialize: new initial weights under the old mask."""

from __future__ import annotations

from dataclasses import replace

import torch

from prunescope.core.errors import PrunescopeError
from prunescope.core.seeds import derived_seed
from prunescope.pruning import State
from prunescope.pruning.state import snapshot
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("reinitialize")
class Reinitialize(Stage):
    """Draw all weights anew and keep the mask, the control for what a mask owes to the weights it was chosen for.

    The draw is another one than that of the network's first weights. Training starts afresh; what is frozen stays. To
    begin with the *same* first weights is ``{rewind: {to: weights}}``.

    Source: Frankle et al., Pruning Neural Networks at Initialization: Why Are We Missing the Mark?, ICLR 2021;
        Su et al., Sanity-Checking Pruning Methods, NeurIPS 2020.
    """

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with new weights under its mask.

        Raises:
            PrunescopeError: for a network whose first weights do not depend on a seed, such as a checkpoint.
        """
        first, fresh = (snapshot(context.build(seed)) for seed in (None, derived_seed(state.seed, "reinitialize")))
        if all(torch.equal(first[name], fresh[name]) for name in state.mask):
            raise PrunescopeError(
                "two draws of the initial weights are the same",
                where="reinitialize",
                remedy="Give a network whose initial weights are drawn, not read",
            )
        weights = {name: state.weights[name] if name in state.frozen else new for name, new in fresh.items()}
        return replace(state, weights=weights, step=0, optimizer={}).with_mask(state.mask)
