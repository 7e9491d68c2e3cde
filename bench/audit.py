"""An audit against the forward passes that it needs."""

from __future__ import annotations

import time

import torch
from torch import nn

import prunescope as ps
from prunescope.models import MODELS, build

IMAGES = 10_000
BATCH = 128
LIMIT = 1.2
seen = 0


def rows() -> list[tuple[str, float, float]]:
    """Return the processor time of whole audits; the limit of 1.2 times their forward passes stands as the peer."""
    return [audited("accuracy, flips, sparsity", []), audited("the usual measures", None)]


def audited(what: str, measures: list[str] | None) -> tuple[str, float, float]:
    """Audit ResNet-20 with half of its weights pruned; the images that its copies see are counted."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 3, 32, 32), generator=generator, dtype=torch.uint8)
    dense, pruned = (build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0).eval() for _ in range(2))
    ps.prune(pruned, sparsity=0.5).apply_(pruned)
    with torch.inference_mode():
        labels = torch.cat([dense(part / 255).argmax(1) for part in torch.split(images, BATCH)])
    global seen
    seen = 0
    for net in (dense, pruned):
        net.register_forward_pre_hook(_count)
    began = time.process_time()
    ps.audit(dense, pruned, (images, labels), measures=measures)
    ours = time.process_time() - began
    passes = seen / IMAGES
    seconds = plain(images)
    return f"audit: {what}, {passes:.2f} passes of {IMAGES} (peer: limit of {LIMIT} ×)", ours, LIMIT * passes * seconds


def plain(images: torch.Tensor) -> float:
    """Return the processor seconds of one pass as one would write it."""
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0).eval()
    began = time.process_time()
    with torch.inference_mode():
        for part in torch.split(images, BATCH):
            net(part / 255)
    return time.process_time() - began


def _count(net: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    global seen
    seen += len(inputs[0])
