"""Logits: the outputs of one network on one view."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen


@INFERENCES.register("logits")
class Logits(Inference):
    """Outputs ``logits [n, classes]``, float32, and the true ``labels [n]``."""

    def left(self, images: int, classes: int) -> int:
        """Return those of the logits."""
        return 4 * images * classes

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return both."""
        return {"logits": outputs(seen), "labels": seen.labels.cpu()}


def outputs(seen: Seen, draw: int = 0) -> Tensor:
    """Return float32 logits ``[n, classes]`` on the CPU under one draw of the view's shift.

    Raises:
        PrunescopeError: when the network returns something other than finite ``[n, classes]``.
    """
    with torch.inference_mode():
        logits = torch.cat([seen.net(inputs).float().cpu() for _, inputs in seen.batches(draw)])
    if logits.ndim != 2 or len(logits) != len(seen.images):
        raise PrunescopeError("the network returns no logits", expected="[n, classes]", got=tuple(logits.shape))
    if not bool(torch.isfinite(logits).all()):
        raise PrunescopeError("the network returns logits that are not finite", remedy="It diverged or overflowed")
    return logits
