"""What a criterion takes from data: a seeded sample of the validation images, and a statistic of one state on it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns
from prunescope.pruning import State
from prunescope.pruning.sample import drawn, sample_size
from prunescope.pruning.statistic import STATISTICS, Statistic
from prunescope.training.stages.stage import Context
from prunescope.training.stages.targets import changeable

SampleSize = Annotated[int, Field(ge=1)] | None


class Sampled(Config):
    """A statistic of a state, the same for all levels, draws and criteria that ask for it.

    Attributes:
        statistic: a member of ``STATISTICS``.
        sample: images of the validation part, see :func:`validation_sample`.
        ignore: patterns of layers or tensors that are left out.
    """

    statistic: Annotated[Statistic, *STATISTICS.field()]
    sample: SampleSize = None
    ignore: Patterns = ()

    def __call__(self, state: State, context: Context) -> dict[str, Tensor]:
        """Return tensors by name, on the CPU."""
        part = changeable(state, self.ignore, "prune")
        net = state.load_into(context.build())
        found = self.statistic(net, part, *validation_sample(net, context, self.sample, state.seed))
        return {name: tensor.cpu().contiguous() for name, tensor in found.items()}


def validation_sample(net: nn.Module, context: Context, size: int | None, seed: int) -> tuple[Tensor, Tensor]:
    """Return normalised images and labels of the validation part, and move ``net`` to where they are.

    Args:
        net: decides on the number of images by :func:`prunescope.pruning.sample.sample_size`, at most half of them.
        context: of the stage.
        size: another number of images.
        seed: of the draw.

    Raises:
        PrunescopeError: for a study that holds no validation images out, or fewer than ``size``.
    """
    data = context.split("validation")
    if len(data) < (size or 2):
        raise PrunescopeError(
            "too few validation images for a criterion that looks at data",
            expected=f"at least {size or 2}",
            got=len(data),
            remedy="Raise the study's validation share",
        )
    net.to(data.images.device)
    if size is None:
        size = min(sample_size(net, context.normalization(data.images[:1])), len(data) // 2)
    sample = drawn(data, size, seed)
    return context.normalization(sample.images), sample.labels
