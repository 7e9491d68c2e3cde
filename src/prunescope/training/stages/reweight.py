"""Reweight: what pruning left is refitted to what was there before."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import State
from prunescope.pruning.reweight import reweight
from prunescope.pruning.sample import drawn
from prunescope.training.stages.stage import STAGES, Context, Stage
from prunescope.training.stages.targets import changeable


@STAGES.register("reweight")
class Reweight(Stage):
    """Fit what the preceding Prune left to what the network gave before it, layer after layer by least squares.

    After pruned edges the layer itself is refitted, after pruned nodes or filters the layer that reads them, each on
    what it really sees. Frozen layers stay as they are. See :func:`prunescope.pruning.reweight.reweight`.

    Attributes:
        sample: training images to fit on, drawn with the network's seed; all of them when there are fewer.
        pre_activation: fit the reader of hidden nodes on what they give before bias and activation, as published for
            teacher-student networks.

    Source: Mariet and Sra, Diversity Networks: Neural Network Compression Using Determinantal Point Processes,
        ICLR 2016.
    """

    sample: Annotated[int, Field(ge=1)] = 2000
    pre_activation: bool = False

    @property
    def needs_data(self) -> bool:
        """True: it looks at training images."""
        return True

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with refitted weights.

        Raises:
            PrunescopeError: when it does not follow a pruning.
        """
        if context.whole is None:
            raise PrunescopeError("there is no state before pruning to compare with", where="reweight")
        if state.mask == context.whole.mask:
            return state
        sample = drawn(context.split("train"), self.sample, state.seed)
        net = context.whole.load_into(context.build()).to(sample.images.device)
        images = context.normalization(sample.images)
        fitted = reweight(net, changeable(state, (), "reweight"), images, pre_activation=self.pre_activation)
        return replace(state, weights={**state.weights, **{name: weight.cpu() for name, weight in fitted.items()}})
