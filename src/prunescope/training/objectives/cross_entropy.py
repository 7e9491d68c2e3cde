"""Cross-entropy on logits."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective


@OBJECTIVES.register("cross_entropy")
class CrossEntropy(Objective):
    r"""Mean of $-\log \mathrm{softmax}(f(x))_y$ over the batch, in nats.

    ``smoothing`` mixes the labels with the uniform distribution (Szegedy et al., 2016).
    """

    soft: ClassVar[bool] = True

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return the mean cross-entropy."""
        logits = net(batch.images)
        labels = batch.labels.to(logits.dtype) if batch.labels.ndim == 2 else batch.labels
        return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)
