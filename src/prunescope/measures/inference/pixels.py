"""Pixels: in which order a network can do without the pixels of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from prunescope.measures.backward_selection import backward_selection, backward_selection_in_rounds
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen


@INFERENCES.register("pixels")
class Pixels(Inference):
    """Backward selection on the confidence in the predicted class, on a few images spread evenly over the view.

    Leaves ``order [images, pixels]``, ``confidence [images, pixels + 1]``, ``labels`` and ``places [images]`` (indices
    in the view).

    Attributes:
        images: how many.
        algorithm: ``exact`` takes one pixel at a time, ``rounds`` several; the orders differ.
        share: of the remaining pixels that go in one round.
        mask_value: what a pixel becomes, as the network sees it: 0 is the mean of the normalised images.
    """

    images: Annotated[int, Field(ge=1)] = 20
    algorithm: Literal["exact", "rounds"] = "exact"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    mask_value: float = 0.0

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the orders and what the network thought on the way."""
        count = min(self.images, len(seen.images))
        places = torch.arange(count) * len(seen.images) // count
        inputs = seen.normalization(seen.images[places.to(seen.images.device)].to(seen.device))
        if self.algorithm == "exact":
            found = backward_selection(seen.net, inputs, mask_value=self.mask_value)
        else:
            found = backward_selection_in_rounds(seen.net, inputs, share=self.share, mask_value=self.mask_value)
        labels = seen.labels.cpu()[places]
        return {"order": found.order, "confidence": found.confidence, "labels": labels, "places": places}
