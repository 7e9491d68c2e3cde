"""Shrink: a network whose filters are masked becomes a smaller one with the same outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunescope.pruning.channels import Channels, channels
from prunescope.pruning.constants import bias_after, constants
from prunescope.pruning.dependency import check_outputs, outputs, probes, removable, remove
from prunescope.pruning.layer_inputs import layer_of
from prunescope.pruning.mask import Mask


def shrink(net: nn.Module, mask: Mask) -> nn.Module:
    """Return the network under ``mask`` without the channels that do nothing: smaller, with the same outputs.

    The same in evaluation mode, where batch norm has fixed statistics.

    A channel goes when no kept weight reads it, or when no kept weight writes it. The latter is the same for every
    image (biases and batch norm make it some constant): the constant is added to the biases of the layers that read
    it. Where that is not exact, because a convolution reads it beyond the edge, where it is 0, the channel stays. A
    layer keeps at least one channel. Heads that only training reads are taken away. Single weights that are masked
    stay as zeros: they make nothing smaller.

    Args:
        net: the network; it is not changed.
        mask: of its weights; those it does not cover are whole.

    Returns:
        A new network on the same device. Its weights have other shapes, so that ``mask`` no longer fits.

    Raises:
        PrunescopeError: for outputs that differ by more than 1e-5 of the largest, and as
            :func:`prunescope.pruning.channels.channels`.

    Source: Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023 (torch-pruning).

    Example:
        >>> from prunescope.pruning import prune
        >>> net = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
        >>> shrink(net, prune(net, "filter_norm", sparsity=0.7))[2]
        Linear(in_features=3, out_features=2, bias=True)
    """
    found = channels(net)
    small, tied = removable(net)
    mask.apply_(small)
    mask = Mask({**Mask.full(small), **mask})
    images = probes(small)
    wanted = outputs(small, images)
    useless = _folded(small, mask, found, images)
    for_good = [found.groups[name][flags] for name, flags in useless.items()]
    if for_good:
        remove(tied, torch.cat(for_good))
    check_outputs(small, images, wanted)
    learning = {name: parameter.requires_grad for name, parameter in net.named_parameters()}
    for name, parameter in small.named_parameters():
        parameter.requires_grad_(learning.get(name, True))
    return small.train(net.training)


def _folded(net: nn.Module, mask: Mask, found: Channels, images: Tensor) -> dict[str, Tensor]:
    """Add what is constant to the biases of its readers, in place; return which channels are not needed, by group."""
    still, inputs = constants(net, mask, found, images)
    read, written = found.read(mask), found.written(mask)
    useless, constant = {}, {}
    for name, flags in still.items():
        constant[name] = flags & read[name] & ~written[name]
        useless[name] = ~read[name] | constant[name]
        useless[name][0] &= not bool(useless[name].all())  # one stays
        constant[name] &= useless[name]
    for name, columns in found.of_columns(Mask(constant)).items():
        lost = torch.where(columns.to(images.device), inputs[name], 0.0)
        if bool(lost.any()):
            layer = layer_of(net, name)
            layer.bias = nn.Parameter(bias_after(layer, layer.get_parameter("weight"), lost))
    return useless
