"""Propagate: what pruning has made useless goes too."""

from __future__ import annotations

from dataclasses import replace

from prunescope.pruning import Mask, State
from prunescope.pruning.propagate import propagate
from prunescope.training.stages.sampled import SampleSize, validation_sample
from prunescope.training.stages.stage import STAGES, Context, Stage
from prunescope.training.stages.targets import changeable


@STAGES.register("propagate")
class Propagate(Stage):
    """After a Prune, remove as well what does nothing on a sample of the validation images.

    Constant channels go, with the constant folded into the next bias, and with ``single`` every weight whose gradient
    is exactly 0, see :func:`prunescope.pruning.propagate.propagate`. More is removed than the level says: the measure
    ``compression`` tells how much. Frozen tensors stay as they are.

    Attributes:
        single: remove single weights, not only whole channels.
        sample: images; by default as many as for sensitivities.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021 (torchprune).
    """

    single: bool = True
    sample: SampleSize = None

    @property
    def needs_data(self) -> bool:
        """True: it looks at validation images."""
        return True

    def __call__(self, state: State, context: Context) -> State:
        """Return the state under the smaller mask."""
        net = state.load_into(context.build())
        images, _ = validation_sample(net, context, self.sample, state.seed)
        part = changeable(state, (), "propagate")
        mask, biases = propagate(net, part, images, single=self.single, seed=state.seed)
        kept = {name: flags.cpu() for name, flags in mask.items()}
        folded = {name: bias.cpu() for name, bias in biases.items()}
        return replace(state, weights={**state.weights, **folded}).with_mask(Mask({**state.mask, **kept}))
