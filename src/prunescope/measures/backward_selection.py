"""Backward selection: which pixels a network needs, found by taking away the least needed one again and again.

Two algorithms, which give different orders and are never mixed: the exact one takes one pixel at a time, the one in
rounds several. Pure functions of a network and its inputs, many images at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError

# Confidences are compared in steps of this: the last bits of a forward pass depend on what else is in its batch.
TIE = 1e-6
INPUTS_AT_ONCE = 4096


class Selection(NamedTuple):
    """In which order pixels were taken away, and what the network thought of the rest.

    Args:
        order: int64 ``[images, pixels]``, pixels (row times width plus column) as they were taken, the least needed
            first.
        confidence: float64 ``[images, pixels + 1]``, of the class asked about after 0, 1, … pixels were taken.
        classes: int64 ``[images]``, the classes asked about.
    """

    order: Tensor
    confidence: Tensor
    classes: Tensor


def backward_selection(
    net: nn.Module,
    inputs: Tensor,
    *,
    mask_value: float | Tensor = 0.0,
    classes: Tensor | None = None,
    batch: int = INPUTS_AT_ONCE,
) -> Selection:
    """Take away, one at a time, the pixel without which the network stays most confident (all channels together).

    Cost: ``d (d + 1) / 2`` forward passes an image of d pixels.

    Args:
        net: in evaluation mode, ``[n, c, h, w]`` to logits ``[n, classes]``.
        inputs: as the network takes them, ``[images, c, h, w]``.
        mask_value: what a pixel becomes, a number or ``[c]``; 0 is the mean of normalised images, not black.
        classes: asked about ``[images]``; what the network predicts on the whole image by default.
        batch: inputs in one forward pass; it decides speed, not the result.

    Returns:
        The order; among pixels with equal confidences, to 1e-6, the lower ones are kept longer.

    Raises:
        PrunescopeError: for inputs or classes of another form, or confidences that are not finite.

    Source: Carter et al., What made you do this? Understanding black-box decisions with sufficient input subsets,
        AISTATS 2019.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> _ = net[1].weight.data.copy_(torch.tensor([[1.0, 4.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]]))
        >>> backward_selection(net, torch.ones(1, 1, 2, 2)).order.tolist()
        [[0, 3, 2, 1]]
    """
    return _selected(net, inputs, mask_value, classes, batch, lambda left: 1)


def backward_selection_in_rounds(
    net: nn.Module,
    inputs: Tensor,
    *,
    share: float = 0.1,
    mask_value: float | Tensor = 0.0,
    classes: Tensor | None = None,
    batch: int = INPUTS_AT_ONCE,
) -> Selection:
    """Take away in each round the ``share`` of the remaining pixels without each of which the network stays sure.

    A cheaper algorithm than :func:`backward_selection`, with another order: pixels that stand in for one another go
    together. Inside a round the pixel that leaves the network most confident counts as taken first, and the
    confidence of the round's end, the only one known, is given to all its pixels.

    Cost: about ``d / share`` forward passes an image of d pixels.

    Args:
        net: in evaluation mode.
        inputs: ``[images, c, h, w]``.
        share: of the remaining pixels, in (0, 1); at least one is taken.
        mask_value: what a pixel becomes.
        classes: asked about.
        batch: inputs in one forward pass.

    Raises:
        PrunescopeError: for a share outside (0, 1), and as :func:`backward_selection`.
    """
    if not 0 < share < 1:
        raise PrunescopeError("share of a round out of range", expected="0 < share < 1", got=share)
    return _selected(net, inputs, mask_value, classes, batch, lambda left: max(1, int(share * left)))


def sufficient_pixels(confidence: Tensor, threshold: float) -> Tensor:
    """Return the fewest kept pixels with which the network reaches the threshold, −1 where it never does.

    Args:
        confidence: ``[images, pixels + 1]`` of a :class:`Selection`.
        threshold: in (0, 1].

    Example:
        >>> sufficient_pixels(torch.tensor([[0.9, 0.95, 0.5], [0.3, 0.2, 0.1]]), 0.9).tolist()
        [1, -1]
    """
    if not 0 < threshold <= 1:
        raise PrunescopeError("threshold out of range", expected="0 < threshold ≤ 1", got=threshold)
    reached = (confidence >= threshold).flip(1)
    return torch.where(reached.any(1), reached.int().argmax(1), -1)


def keep_pixels(inputs: Tensor, order: Tensor, count: int, *, mask_value: float | Tensor = 0.0) -> Tensor:
    """Return the inputs with all but the ``count`` pixels that were taken last masked."""
    taken = order[:, : order.shape[1] - count]
    hidden = torch.zeros(order.shape, dtype=torch.bool).scatter_(1, taken, True)
    hidden = hidden.view(len(inputs), 1, *inputs.shape[2:]).to(inputs.device)
    return torch.where(hidden, _mask(mask_value, inputs), inputs)


def confidences(net: nn.Module, inputs: Tensor, classes: Tensor, batch: int = INPUTS_AT_ONCE) -> Tensor:
    """Return the softmax probability of a class for each input, float64 ``[n]`` on the CPU."""
    parts = []
    with torch.no_grad():
        for part, wanted in zip(torch.split(inputs, batch), torch.split(classes, batch), strict=True):
            probabilities = torch.softmax(net(part).double(), dim=1).cpu()
            parts.append(probabilities.gather(1, wanted[:, None])[:, 0])
    found = torch.cat(parts)
    if not bool(torch.isfinite(found).all()):
        raise PrunescopeError("confidences are not finite", remedy="The network has diverged")
    return found


def _selected(
    net: nn.Module,
    inputs: Tensor,
    mask_value: float | Tensor,
    classes: Tensor | None,
    batch: int,
    taken: Callable[[int], int],
) -> Selection:
    """Run the selection; ``taken`` says how many of the pixels left go in one round."""
    if inputs.ndim != 4 or not len(inputs) or not inputs.is_floating_point():
        got = f"{inputs.dtype} {list(inputs.shape)}"
        raise PrunescopeError("inputs have the wrong form", expected="float [images, c, h, w]", got=got)
    with torch.no_grad():
        predicted = torch.cat([net(part).argmax(1).cpu() for part in torch.split(inputs, batch)])
    asked = predicted if classes is None else classes.cpu()
    if asked.shape != predicted.shape:
        raise PrunescopeError("one class for each image", expected=len(inputs), got=list(asked.shape))
    pixels = inputs.shape[2] * inputs.shape[3]
    current = inputs.clone()
    left = torch.arange(pixels).expand(len(inputs), pixels)
    orders, trace = [], [confidences(net, current, asked, batch)[:, None]]
    while left.shape[1]:
        count = taken(left.shape[1])
        without = torch.cat([*_candidates(net, current, left, asked, mask_value, batch)]).view(left.shape)
        leaving = _most_confident(without, count)
        gone = left.gather(1, leaving)
        left = left[torch.ones_like(left, dtype=torch.bool).scatter_(1, leaving, False)].view(len(inputs), -1)
        current = _masked(current, gone, mask_value)
        after = without.gather(1, leaving) if count == 1 else confidences(net, current, asked, batch)[:, None]
        trace.append(after.expand(-1, count))
        orders.append(gone)
    return Selection(torch.cat(orders, 1), torch.cat(trace, 1), asked)


def _candidates(
    net: nn.Module, current: Tensor, left: Tensor, asked: Tensor, mask_value: float | Tensor, batch: int
) -> Iterator[Tensor]:
    """Yield the confidences of each image without each of its remaining pixels, in batches over both."""
    owner = torch.arange(len(current)).repeat_interleave(left.shape[1])
    for images, pixels in zip(torch.split(owner, batch), torch.split(left.flatten(), batch), strict=True):
        shown = current[images.to(current.device)]
        yield confidences(net, _masked(shown, pixels[:, None], mask_value, own=True), asked[images], batch)


def _most_confident(without: Tensor, count: int) -> Tensor:
    """Return the columns of the ``count`` highest values in falling order; among equal ones the last column first."""
    steps = torch.floor(without / TIE + 0.5).flip(1)
    order = torch.argsort(steps, dim=1, descending=True, stable=True)[:, :count]
    return without.shape[1] - 1 - order


def _masked(inputs: Tensor, pixels: Tensor, mask_value: float | Tensor, *, own: bool = False) -> Tensor:
    """Return the inputs without ``pixels [images, count]``; ``own`` inputs may be overwritten."""
    flat = (inputs if own else inputs.clone()).flatten(2)
    places = pixels.to(inputs.device)[:, None, :].expand(-1, inputs.shape[1], -1)
    value = _mask(mask_value, inputs).flatten(2).expand(len(inputs), inputs.shape[1], 1).expand_as(places)
    return flat.scatter_(2, places, value).view(inputs.shape)


def _mask(value: float | Tensor, inputs: Tensor) -> Tensor:
    """Return the mask value as ``[1, c or 1, 1, 1]``."""
    return torch.as_tensor(value, dtype=inputs.dtype, device=inputs.device).reshape(1, -1, 1, 1)
