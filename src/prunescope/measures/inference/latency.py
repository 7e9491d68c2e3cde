"""Latency: how long one network takes for a batch, again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunescope.measures.inference.inference import INFERENCES, Inference, Seen

_WARM_UP = 3


@INFERENCES.register("latency")
class Timing(Inference):
    """Wall times ``seconds [rounds]`` for one image, float64: of forward passes, after three that are not counted.

    Attributes:
        batch: images at once, or all there are.
        rounds: forward passes that are timed.
    """

    batch: Annotated[int, Field(ge=1)] = 1
    rounds: Annotated[int, Field(ge=5)] = 30

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the times on the device; each pass is waited for."""
        inputs = seen.normalization(seen.images[: self.batch].to(seen.device))
        seconds = []
        with torch.inference_mode():
            for _ in range(_WARM_UP + self.rounds):
                began = time.perf_counter()
                seen.net(inputs)
                if seen.device.type == "cuda":
                    torch.cuda.synchronize(seen.device)
                seconds.append(time.perf_counter() - began)
        return {"seconds": torch.tensor(seconds[_WARM_UP:], dtype=torch.float64) / len(inputs)}
