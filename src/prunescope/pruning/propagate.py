"""Propagate: what pruning has made useless goes too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunescope.models.taps import evaluating
from prunescope.pruning.channels import Channels, channels
from prunescope.pruning.constants import bias_after, constants
from prunescope.pruning.layer_inputs import BATCH, layer_of, masked_weights
from prunescope.pruning.mask import Mask


def propagate(
    net: nn.Module, mask: Mask, images: Tensor, *, single: bool = True, seed: int = 0
) -> tuple[Mask, dict[str, Tensor]]:
    """Return ``mask`` without what does nothing on a sample of images, and the biases that stand in for it.

    Channels that are the same for all images and positions go, and with them, again and again, channels that no
    kept weight reads. What a layer made of a constant that is not 0 is added to its bias; where it has none, or reads
    the channel beyond the edge, the channel stays. With ``single`` also each weight goes whose gradient is exactly 0
    on every image: the gradient of a random mixture of the outputs, which does not vanish where the loss is
    saturated. Each group of channels keeps one.

    On the sample the outputs stay the same, up to units that a weight held down only on images where its gradient
    is 0. On other images a channel may not be constant.

    Cost: a forward pass over the sample, and with ``single`` another one with its backward pass.

    Args:
        net: the network; it is not changed.
        mask: of its weights; what it does not cover stays as it is.
        images: what ``net`` takes.
        single: remove single weights, not only whole channels.
        seed: of the mixture.

    Returns:
        The mask, and new biases by parameter name.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021 (torchprune), where the constants are dropped.
    """
    found = channels(net).covered_by(mask)
    biases: dict[str, Tensor] = {}
    if found.groups:
        mask, biases = _without_constants(net, mask, found, images)
        mask = _without_unread(mask, found)
    if single:
        alive = _with_gradient(net, mask, biases, images, seed)
        mask = mask & Mask({name: flags.to(mask[name].device) for name, flags in alive.items()})
    return mask, biases


def _without_constants(net: nn.Module, mask: Mask, found: Channels, images: Tensor) -> tuple[Mask, dict[str, Tensor]]:
    still, inputs = constants(net, mask, found, images)
    bare = {name: values != 0 for name, values in inputs.items() if layer_of(net, name)._parameters["bias"] is None}
    stuck, alive = found.largest(bare), found.alive(mask)
    gone = {name: flags & alive[name] & (stuck[name] == 0) for name, flags in still.items()}
    kept = Mask({name: _all_but(flags, alive[name]) for name, flags in gone.items()})
    weights, biases = masked_weights(net, mask), {}
    for name, goes in found.of_columns(Mask({n: flags & ~kept[n] for n, flags in alive.items()})).items():
        if name in inputs:
            lost = torch.where(goes.to(inputs[name].device), inputs[name], 0.0)
            if bool(lost.any()):
                bias = bias_after(layer_of(net, name), weights[name], lost)
                biases[f"{name.rpartition('.')[0]}.bias".lstrip(".")] = bias
    return found.keep(mask, kept), biases


def _all_but(gone: Tensor, alive: Tensor) -> Tensor:
    """Return what is alive and not gone; the first alive one if that is nothing."""
    kept = alive & ~gone
    if not bool(kept.any()):
        kept[alive.nonzero().flatten()[:1]] = True
    return kept


def _without_unread(mask: Mask, found: Channels) -> Mask:
    while True:
        alive, read = found.alive(mask), found.read(mask)
        smaller = found.keep(mask, Mask({name: _all_but(~read[name], flags) for name, flags in alive.items()}))
        if smaller == mask:
            return mask
        mask = smaller


def _with_gradient(
    net: nn.Module, mask: Mask, biases: dict[str, Tensor], images: Tensor, seed: int
) -> dict[str, Tensor]:
    """Return which weights have a gradient that is not 0 on some batch of images."""
    leaves = {name: weight.requires_grad_() for name, weight in masked_weights(net, mask).items()}
    generator = torch.Generator().manual_seed(seed)
    alive = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in leaves.items()}
    with evaluating(net), torch.enable_grad():
        for batch in torch.split(images, BATCH):
            outputs = functional_call(net, {**leaves, **biases}, (batch,))
            mixture = torch.randn(outputs.shape, generator=generator).to(outputs)
            gradients = torch.autograd.grad((outputs * mixture).sum(), list(leaves.values()), materialize_grads=True)
            for flags, gradient in zip(alive.values(), gradients, strict=True):
                flags |= gradient != 0
    return alive
