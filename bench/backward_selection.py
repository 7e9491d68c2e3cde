"""Backward selection of pixels: many images and candidates in one forward pass against one candidate at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunescope.measures import backward_selection
from prunescope.models import MODELS, build

IMAGES = 16
NAIVE_IMAGES = 1


def rows() -> list[tuple[str, float, float]]:
    """Return (comparison, seconds of ours, seconds of the naive loop scaled to as many images)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = build(MODELS.build("convnet"), (1, 8, 8), 10, seed=0).eval()
        inputs = torch.randn(IMAGES, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        ours = min(_clock(lambda: backward_selection(net, inputs)) for _ in range(3))
        peer = min(_clock(lambda: naive_selection(net, inputs[:NAIVE_IMAGES])) for _ in range(3))
    finally:
        torch.set_num_threads(threads)
    return [(f"backward selection, {IMAGES} digits, exact / a pass a candidate", ours, peer * IMAGES / NAIVE_IMAGES)]


@torch.inference_mode()
def naive_selection(net: nn.Module, inputs: Tensor) -> list[list[int]]:
    """Return the order of each image, one forward pass for each candidate, as the published script does."""
    orders = []
    for image in inputs:
        current, left, order = image.clone(), list(range(image[0].numel())), []
        wanted = int(net(image[None]).argmax())
        while left:
            best, confidence = left[0], -1.0
            for pixel in left:
                shown = current.clone()
                shown.flatten(1)[:, pixel] = 0.0
                found = float(torch.softmax(net(shown[None]), dim=1)[0, wanted])
                if found >= confidence:
                    best, confidence = pixel, found
            current.flatten(1)[:, best] = 0.0
            left.remove(best)
            order.append(best)
        orders.append(order)
    return orders


def _clock(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
