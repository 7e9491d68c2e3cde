"""SNIP: keep the weights to which the loss is most sensitive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.models.taps import evaluating
from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence
from prunescope.pruning.layer_inputs import BATCH, checked_images, masked_weights
from prunescope.pruning.mask import Mask
from prunescope.pruning.statistic import STATISTICS, Statistic


def loss_gradients(net: nn.Module, weights: Mapping[str, Tensor], images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the gradient of the mean cross-entropy with respect to ``weights``, all from one pass over the images.

    The network runs in evaluation mode with ``weights`` in place of its own; no gradient is left behind.

    Raises:
        PrunescopeError: for images or labels that the network cannot take.
    """
    images = checked_images(net, images)
    labels = _checked_labels(net, images, labels)
    leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    with evaluating(net), torch.enable_grad():
        for batch, truth in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            loss = functional.cross_entropy(functional_call(net, leaves, (batch,)), truth, reduction="sum")
            gradients = torch.autograd.grad(loss / len(images), list(leaves.values()), materialize_grads=True)
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total += gradient
    return sums


def _checked_labels(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    with evaluating(net), torch.no_grad():
        logits = net(images[:1])
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise PrunescopeError("the network returns no logits", expected="[n, classes]", got=type(logits).__name__)
    whole = labels.shape == images.shape[:1] and not labels.is_floating_point()
    if not whole or int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
        expected = f"{len(images)} whole numbers from 0 to {logits.shape[1] - 1}"
        raise PrunescopeError("labels do not fit", expected=expected, got=f"{labels.dtype} {tuple(labels.shape)}")
    return labels.to(images.device, torch.int64)


@STATISTICS.register("loss_gradients")
class LossGradients(Statistic):
    """The gradient of the mean cross-entropy with respect to the masked weights, in evaluation mode."""

    def __call__(self, net: nn.Module, mask: Mask, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the gradients by name."""
        return loss_gradients(net, masked_weights(net, mask), images, labels)


@CRITERIA.register("snip")
class Snip(Criterion):
    r"""Keep the weights with the largest connection sensitivity, the loss gradient times the weight.

    $|w \cdot \partial \bar{L} / \partial w|$, where $\bar{L}$ is the mean cross-entropy over the sample, of the network
    as masked so far, in evaluation mode.

    Cost: one forward and backward pass over the sample in all. Data: images and labels.

    Source: Lee, Ajanthan and Torr, SNIP: Single-shot Network Pruning based on Connection Sensitivity, ICLR 2019.
    """

    needs_data: ClassVar[bool] = True

    @property
    def statistic(self) -> LossGradients:
        """Gradients of the loss."""
        return LossGradients()

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask of the most sensitive weights."""
        weights, gradients = masked_weights(net, mask), evidence.of(self.statistic, net, mask)
        return select_top({name: (w * gradients[name]).abs() for name, w in weights.items()}, mask, budget)
