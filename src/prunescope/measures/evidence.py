"""Inference: the logits of one network on one view."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization


def infer_logits(
    net: nn.Module,
    images: Tensor,
    normalization: Normalization,
    *,
    device: torch.device,
    batch: int = 500,
    change: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Return float32 logits ``[n, classes]`` on the CPU, computed batch by batch in evaluation mode.

    Args:
        net: the network.
        images: uint8 ``[n, c, h, w]``.
        normalization: of the inputs.
        device: where the network runs.
        batch: images at once.
        change: a shift, called with a uint8 batch and the index of its first image, so that shifted views stream.

    Raises:
        PrunescopeError: when the network returns something other than finite ``[n, classes]``.
    """
    net = net.to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            part = images[start : start + batch].to(device)
            part = part if change is None else change(part, start)
            parts.append(net(normalization(part)).float().cpu())
    logits = torch.cat(parts)
    if logits.ndim != 2 or len(logits) != len(images):
        raise PrunescopeError("the network returns no logits", expected="[n, classes]", got=tuple(logits.shape))
    if not bool(torch.isfinite(logits).all()):
        raise PrunescopeError("the network returns logits that are not finite", remedy="It diverged or overflowed")
    return logits
