"""Reweighting: least squares fits what is kept to what the whole layer gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from scipy.linalg import lstsq
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.hidden import hidden_layers
from prunescope.pruning.layer_inputs import (
    BATCH,
    chunks,
    column_rows,
    has_columns,
    layer_of,
    masked_weights,
    visit_inputs,
)
from prunescope.pruning.mask import Mask

CUT = 1e-6  # inverse condition number beyond which inputs are the rounding of float32 activations
Pairs = Iterator[tuple[Tensor, Tensor]]
Weights = Mapping[str, Tensor]


def refit(weight: Tensor, kept: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
    r"""Return the kept weights of a linear layer, moved so that its outputs come nearest to ``outputs``.

    For each row h with kept entries S: $w_{h,S} + \delta$ with
    $\delta = \arg\min \lVert y_h - X_S (w_{h,S} + \delta) \rVert^2$, the shortest δ where several are best; no
    intercept, and no use of what makes the condition number of $X_S$ larger than 1e6, which is rounding. With
    $y_h = X w_h$ this is the fusing of pruned edges,
    $\delta = \arg\min \lVert X_S \delta - X_{\bar S} w_{h,\bar S} \rVert^2$, and for the layer after pruned nodes it
    equals the fusing of nodes, $U_S + \sum_j \alpha_j U_j$ with
    $\alpha_j = \arg\min \lVert A_S \alpha - A_j \rVert^2$.

    Args:
        weight: ``[rows, entries]``, before pruning.
        kept: bool ``[rows, entries]``.
        inputs: X ``[n, entries]``, what the pruned layer sees.
        outputs: Y ``[n, rows]``, what the layer should give, without bias.

    Returns:
        ``[rows, entries]`` float64, pruned entries 0, rows that lost nothing unchanged. The residual of each other
        row is orthogonal to its kept inputs.

    Source: Mariet and Sra, Diversity Networks: Neural Network Compression Using Determinantal Point Processes,
        ICLR 2016; for edges Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
        >>> weight, kept = torch.tensor([[1.0, 1.0]]), torch.tensor([[True, False]])
        >>> refit(weight, kept, x, x @ weight.T).round(decimals=6)
        tensor([[3., 0.]], dtype=torch.float64)
    """
    x, y = inputs.double().cpu(), outputs.double().cpu()
    fitted = weight.double().cpu().masked_fill(~kept.cpu(), 0.0)
    missing = y - x @ fitted.T
    patterns, group = torch.unique(kept.cpu(), dim=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        entries, rows = pattern.nonzero().flatten(), (group == index).nonzero().flatten()
        if 0 < len(entries) < len(pattern):
            # SciPy's, for torch's gelsy loses rank where many columns are the same, as the borders of digits are
            delta = lstsq(x[:, entries].numpy(), missing[:, rows].numpy(), cond=CUT, lapack_driver="gelsy")[0]
            fitted[rows[:, None], entries] += torch.from_numpy(delta).T
    return fitted


def compressed(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return a short X and Y with the same least-squares solutions as the rows of all pairs ``(X, Y)`` together.

    The triangular factor of ``[X, Y]`` in float64, brought up to date whenever enough rows have come.
    """
    pending: list[Tensor] = []
    width = 0
    for x, y in pairs:
        width = x.shape[1]
        pending.append(torch.cat([x.double(), y.double()], dim=1))
        if sum(map(len, pending)) > 4 * pending[0].shape[1]:
            pending = [torch.linalg.qr(torch.cat(pending), mode="r").R]
    triangle = torch.linalg.qr(torch.cat(pending), mode="r").R[:width]  # what follows no change of weights reaches
    return triangle[:, :width], triangle[:, width:]


def reweight(net: nn.Module, mask: Mask, images: Tensor, *, pre_activation: bool = False) -> dict[str, Tensor]:
    """Return the weights that ``mask`` covers: pruned ones zero, the others refitted wherever their row lost any.

    Layer after layer in the order of the forward pass, each on what it really sees: the activations of the network
    pruned and reweighted so far, its outputs compared with those of the whole network. Linear layers and convolutions
    without groups; others are only masked. After pruned nodes it is the layer that reads them that changes.

    Cost: two forward passes and one QR update over the sample for each pruned layer, and one least-squares
    solution for each different pattern of kept entries.

    Args:
        net: the network **before** pruning; it is not changed.
        mask: what is kept.
        images: what ``net`` takes.
        pre_activation: fit the reader of a hidden layer on that layer's $X W^T$, without bias and activation, as
            published for teacher-student networks; it is not what the reader sees.

    Returns:
        New weights by name, in the dtype of the old.

    Raises:
        PrunescopeError: for a network whose pruned weights are zero already, images it cannot take, and
            activations that are not finite.
    """
    whole = masked_weights(net, Mask.full(net))
    pruned = masked_weights(net, mask)
    lost = [name for name in pruned if not bool(mask[name].all())]
    if lost and not any(bool((whole[name] != pruned[name]).any()) for name in lost):
        raise PrunescopeError(
            "the pruned weights are zero already, so that nothing tells what is to be refitted",
            remedy="Give the network as it was before pruning",
        )
    before = {after: name for name, after in hidden_layers(net).items()} if pre_activation else {}
    for name in _called(net, images, lost):
        layer = layer_of(net, name)
        if not has_columns(layer):
            continue
        if name in before:
            pairs = _published(net, whole, images, before[name], name)
        else:
            pairs = _seen(net, whole, pruned, images, name)
        inputs, outputs = compressed(pairs)
        if not bool(torch.isfinite(inputs).all() and torch.isfinite(outputs).all()):
            raise PrunescopeError("activations are not finite", where=name, remedy="Check the images for NaN")
        new = refit(whole[name].flatten(1), mask[name].flatten(1), inputs, outputs)
        pruned[name] = new.view(whole[name].shape).to(whole[name])
    return pruned


def _called(net: nn.Module, images: Tensor, names: list[str]) -> list[str]:
    """Return the names in the order of the forward pass."""
    order: dict[str, None] = {}
    visit_inputs(net, {}, images[:1], names, lambda name, _: order.update({name: None}))
    return list(order)


def _seen(net: nn.Module, whole: Weights, pruned: Weights, images: Tensor, name: str) -> Pairs:
    """Yield what the layer sees in the pruned network, and what it gives in the whole one."""
    layer, weight = layer_of(net, name), whole[name].flatten(1).double()
    for batch in torch.split(images, BATCH):
        wanted, real = _inputs(net, whole, batch, name), _inputs(net, pruned, batch, name)
        for x, seen in zip(chunks(layer, wanted), chunks(layer, real), strict=True):
            yield column_rows(layer, seen), column_rows(layer, x).double() @ weight.T


def _published(net: nn.Module, whole: Weights, images: Tensor, before: str, name: str) -> Pairs:
    """Yield the products of the hidden layer ``before`` with its input, and what the layer would give on those."""
    layer, weight, after = layer_of(net, before), whole[before].double(), whole[name].double()
    for batch in torch.split(images, BATCH):
        for x in chunks(layer, _inputs(net, whole, batch, before)):
            products = column_rows(layer, x).double() @ weight.T
            yield products, products @ after.T


def _inputs(net: nn.Module, weights: Weights, images: Tensor, name: str) -> Tensor:
    found: list[Tensor] = []
    visit_inputs(net, weights, images, [name], lambda _, inputs: found.append(inputs))
    return torch.cat(found)
