"""Recalibrate: new batch-norm statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from prunescope.pruning import State
from prunescope.pruning.sample import drawn
from prunescope.pruning.state import snapshot
from prunescope.training.feed import Feed
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("recalibrate")
class Recalibrate(Stage):
    """Re-estimate batch-norm statistics as plain averages over the training images; weights stay as they are.

    Frozen statistics are used as they are.

    Attributes:
        batch: images in a batch.
        sample: training images to average over, drawn with the network's seed; all of them when left out.
    """

    batch: Annotated[int, Field(ge=2)] = 256
    sample: Annotated[int, Field(ge=2)] | None = None

    @property
    def needs_data(self) -> bool:
        """True: it looks at the training images."""
        return True

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with fresh statistics."""
        data = context.split("train")
        if self.sample is not None:
            data = drawn(data, self.sample, state.seed)
        net = state.load_into(context.build()).to(data.images.device).eval()
        for name, module in net.named_modules():
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
            if norm and f"{name}.running_mean".lstrip(".") not in state.frozen:
                module.reset_running_stats()
                module.momentum = None
                module.train()
        feed = Feed(data=data, batch=self.batch, normalization=context.normalization)
        with torch.no_grad():
            for batch in feed.batches(state.seed, 0):
                net(batch.images)
        return replace(state, weights=snapshot(net))
