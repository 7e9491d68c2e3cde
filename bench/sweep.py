"""A sweep over 19 corruptions at 5 severities against the forward passes alone: what streaming the corruptions costs.

The first row is the promise, a ResNet-20 on CIFAR-size images; the seconds are of the processor, one thread on both
sides, on a subset of the images.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from prunescope.data import SHIFTS, Dataset, Normalization, Shift
from prunescope.data.shifts import apply_shift
from prunescope.measures.inference import Logits, Seen
from prunescope.models import MODELS, build

IMAGES = 200
NORMALIZATION = Normalization(mean=(0.49, 0.48, 0.45), std=(0.2, 0.2, 0.2))


def rows() -> list[tuple[str, float, float]]:
    """Return (comparison, seconds of the sweep, seconds of as many bare forward passes)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0).eval()
        images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        seen = Seen(
            net=net,
            images=images,
            labels=torch.zeros(IMAGES, dtype=torch.long),
            normalization=NORMALIZATION,
            device=torch.device("cpu"),
            split=lambda name: Dataset(images=images, labels=torch.zeros(IMAGES, dtype=torch.long), classes=("a",)),
            origin=("test", torch.arange(IMAGES)),
        )
        views = [
            SHIFTS.build({name: severity})
            for name in SHIFTS.names()
            if "severity" in SHIFTS.get(name).model_fields
            for severity in range(1, 6)
        ]
        inputs = NORMALIZATION(images)
        for view in views:
            apply_shift(view, images[:8], seed=0)  # makes the tables, as in any longer run
        bare = _clock(lambda: [_forward(net, inputs) for _ in views])
        ours = _clock(lambda: [_sweep(seen, view) for view in views])
    finally:
        torch.set_num_threads(threads)
    return [(f"ResNet-20 on {len(views)} views / the forward passes alone", ours, bare)]


@torch.inference_mode()
def _forward(net: torch.nn.Module, inputs: torch.Tensor) -> None:
    net(inputs)


def _sweep(seen: Seen, view: Shift) -> None:
    Logits()(replace(seen, change=lambda part, first, draw: apply_shift(view, part, seed=draw, first_index=first)))


def _clock(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
