"""Cross-entropy on probabilities: a mistake, kept to show what it costs."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective


@OBJECTIVES.register("softmax_cross_entropy")
class SoftmaxCrossEntropy(Objective):
    r"""The mistake of feeding softmax outputs to a loss that applies softmax itself.

    The mean of $-\log \mathrm{softmax}(p)_y$ with $p = \mathrm{softmax}(f(x))$, in nats. As $p$ lies in [0, 1], the
    loss lies between $\log(1 + (k - 1)/e)$ and $\log(e + k - 1)$ for $k$ classes, and its gradient vanishes wherever
    the network is sure, also where it is surely wrong: $\partial/\partial f = J\,(\mathrm{softmax}(p) - e_y)$ with
    $J = \mathrm{diag}(p) - p p^\top$. Use ``cross_entropy``; this member is a documented negative result.
    """

    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return the mean loss."""
        return functional.cross_entropy(functional.softmax(net(batch.images), dim=1), batch.labels)
