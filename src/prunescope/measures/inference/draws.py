"""Draws: the outputs of one network on one view under several draws of its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.measures.inference.logits import outputs


@INFERENCES.register("draws")
class Draws(Inference):
    """Outputs ``logits [draws, n, classes]``, float32; draw 0 is what ``logits`` sees.

    The noise depends on image and draw alone: every network is shown the same.

    Attributes:
        count: number of draws.
    """

    count: Annotated[int, Field(ge=1)] = 10

    def left(self, images: int, classes: int) -> int:
        """Return those of the logits."""
        return 4 * images * classes * self.count

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the logits of every draw."""
        return {"logits": torch.stack([outputs(seen, draw) for draw in range(self.count)])}
