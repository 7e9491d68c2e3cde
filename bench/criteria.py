"""Data-driven criteria against the loops that they replace, on ResNet-20 and images of the size of CIFAR-10's.

Seconds are processor seconds of one thread, so that a busy machine does not change the ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.models import MODELS, build
from prunescope.pruning import Evidence, Mask, prunable
from prunescope.pruning.channels import channels
from prunescope.pruning.criteria import Pfp
from prunescope.pruning.criteria.snip import loss_gradients
from prunescope.pruning.layer_inputs import layer_of, masked_weights, visit_inputs
from prunescope.pruning.sensitivity import Over, sensitivities

IMAGES, LOOPED = 128, 8
REPEATS = 5


def rows() -> list[tuple[str, float, float]]:
    """Return ``(comparison, seconds ours, seconds peer)``, the best of interleaved repeats."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_sipp_row(), _pfp_row(), _snip_row()]
    finally:
        torch.set_num_threads(before)


def _sipp_row() -> tuple[str, float, float]:
    net, images, _ = _subject()
    mask = Mask.full(net)
    ours, few = _best(lambda: sensitivities(net, mask, images), lambda: looped_sensitivities(net, images[:LOOPED]))
    name = f"SiPP, ResNet-20, {IMAGES} images / image and filter loop (timed on {LOOPED}, scaled)"
    return name, ours, few * IMAGES / LOOPED


def _pfp_row() -> tuple[str, float, float]:
    net, images, labels = _subject()
    mask, found, evidence = Mask.full(net), channels(net), Evidence(images=images, labels=labels)
    ours, few = _best(
        lambda: Pfp().ranking(net, mask, found, evidence),
        lambda: looped_sensitivities(net, images[:LOOPED], over="max"),
    )
    name = f"PFP, ResNet-20, {IMAGES} images / image and filter loop (timed on {LOOPED}, scaled)"
    return name, ours, few * IMAGES / LOOPED


def _snip_row() -> tuple[str, float, float]:
    net, images, labels = _subject()
    weights = masked_weights(net, Mask.full(net))

    def layer_by_layer() -> None:
        for name, weight in weights.items():
            loss_gradients(net, {name: weight}, images, labels)

    ours, peer = _best(lambda: loss_gradients(net, weights, images, labels), layer_by_layer)
    return f"SNIP, ResNet-20, {IMAGES} images, one pass / one pass for each layer", ours, peer


def looped_sensitivities(net: nn.Module, images: Tensor, over: Over = "mean") -> dict[str, Tensor]:
    """Return sensitivities by the definition: g of one image and filter at a time, its mean or maximum over patches."""
    found = {name: torch.zeros_like(weight).flatten(1) for name, weight in prunable(net).items()}

    @torch.no_grad()
    def see(name: str, inputs: Tensor) -> None:
        layer = layer_of(net, name)
        for image in inputs:
            a = _patches(layer, image)
            for f, weight in enumerate(layer.weight.flatten(1)):
                for part in (a.clamp(min=0), (-a).clamp(min=0)) if bool((a < 0).any()) else (a,):
                    found[name][f] = torch.maximum(found[name][f], _over(_shares(weight, part), over))

    visit_inputs(net, {}, images, list(found), see)
    return found


def _over(shares: Tensor, over: Over) -> Tensor:
    return shares.mean(1) if over == "mean" else shares.amax(1)


def _patches(layer: nn.Module, image: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return image[:, None]
    return functional.unfold(image[None], layer.kernel_size, layer.dilation, layer.padding, layer.stride)[0]


def _shares(weight: Tensor, a: Tensor) -> Tensor:
    """Return g ``[q, patches]`` of one filter and image."""
    shares = torch.zeros_like(a)
    for part in (weight.clamp(min=0), weight.clamp(max=0)):
        products = part[:, None] * a
        z = products.sum(0)
        shares = torch.maximum(shares, products / torch.where(z.abs() > torch.finfo(a.dtype).eps, z, torch.inf))
    return shares


def _subject() -> tuple[nn.Module, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (IMAGES,), generator=generator)
    return build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0), images, labels


def _best(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for run, times in zip((ours, peer), seconds, strict=True):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    return min(seconds[0]), min(seconds[1])


if __name__ == "__main__":
    print("comparison | ours | peer | ratio")
    for comparison, ours, peer in rows():
        print(f"{comparison} | {ours:.4f} s | {peer:.4f} s | {peer / ours:.2f}x")
