"""What is recorded of a network while it is trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Normalization
from prunescope.pruning import State

_BATCH = 500


def evaluate(net: nn.Module, data: Dataset, normalization: Normalization) -> dict[str, float]:
    """Return mean ``cross_entropy`` (nats) and ``accuracy`` of the network in the mode it is in.

    Raises:
        PrunescopeError: for no images.
    """
    if not len(data):
        raise PrunescopeError("no images to look at", remedy="A study's validation share must be above 0 for this")
    loss = correct = 0.0
    with torch.no_grad():
        for images, labels in zip(torch.split(data.images, _BATCH), torch.split(data.labels, _BATCH), strict=True):
            logits = net(normalization(images)).float()
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            correct += int((logits.argmax(1) == labels).sum())
    return {"cross_entropy": loss / len(data), "accuracy": correct / len(data)}


def weight_counts(net: nn.Module, start: State) -> dict[str, float]:
    """Return what became of the weights of each prunable tensor since ``start``.

    Returns:
        ``nonzero/NAME``: weights that are not zero; ``grown/NAME``: those of them that were zero at the start and,
        where there are any, ``grown_size/NAME``: their mean absolute value.
    """
    numbers: dict[str, float] = {}
    parameters = dict(net.named_parameters())
    for name in start.mask:
        weight = parameters[name].detach()
        grown = weight[(start.weights[name] == 0).to(weight.device)]
        grown = grown[grown != 0]
        numbers |= {f"nonzero/{name}": int(weight.count_nonzero()), f"grown/{name}": len(grown)}
        if len(grown):
            numbers[f"grown_size/{name}"] = float(grown.abs().mean())
    return numbers
