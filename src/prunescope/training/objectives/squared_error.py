"""Squared error on class indicators or real targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective


def half_squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    r"""Return $\frac{1}{2n} \sum_i \lVert f(x_i) - t_i \rVert^2$.

    Args:
        outputs: ``[n, k]``.
        labels: int64 ``[n]``, classes: $t_i$ is the indicator of the class. Floating ``[n]`` (with k = 1) or
            ``[n, k]``: $t_i$ itself.

    Raises:
        PrunescopeError: when outputs and targets differ in shape, or a class has no output.

    Example:
        >>> half_squared_error(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([0, 1])).item()
        0.0625
    """
    if labels.is_floating_point():
        targets = labels.view(len(labels), -1)
    elif bool((labels >= outputs.shape[1]).any()):
        raise PrunescopeError("a class has no output", expected=f"< {outputs.shape[1]}", got=int(labels.max()))
    else:
        targets = functional.one_hot(labels, outputs.shape[1])
    if targets.shape != outputs.shape:
        raise PrunescopeError(
            "outputs and targets differ in shape", expected=tuple(targets.shape), got=tuple(outputs.shape)
        )
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return (outputs - targets).square().sum() / (2 * len(outputs))


@OBJECTIVES.register("squared_error")
class SquaredError(Objective):
    r"""Half the squared distance to the target, mean over the batch.

    $\frac{1}{2n} \sum_i \lVert f(x_i) - t_i \rVert^2$; with class labels $t_i$ is the class's indicator vector, with
    real labels the label itself. The factor ½ is that of the generalisation error of teacher-student networks.
    """

    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return half the mean squared distance."""
        return half_squared_error(net(batch.images), batch.labels)
