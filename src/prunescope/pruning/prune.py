"""``prune``: one call from a network to a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.budget import Budget, Scope, checked_fraction
from prunescope.pruning.criterion import CRITERIA, Evidence, choose
from prunescope.pruning.mask import Mask

Batches = tuple[Tensor, Tensor] | Iterable[tuple[Tensor, Tensor]]


def prune(
    net: nn.Module,
    criterion: str = "magnitude",
    *,
    sparsity: float,
    scope: Scope = "global",
    mask: Mask | None = None,
    data: Batches | None = None,
    ignore: Sequence[str] = (),
    seed: int = 0,
    **options: Any,
) -> Mask:
    """Choose which weights of ``net`` survive; the network is not changed (``mask.apply_(net)`` does that).

    Exactly ``round(sparsity · n)`` of the n prunable weights (Conv and Linear weights) are removed, those that
    ``mask`` already prunes included; with ``scope="layer"`` in every tensor. For criteria that remove nodes or
    filters, n counts those; filters that are tied together are one.

    Args:
        net: any module with Conv or Linear weights.
        criterion: a name in ``prunescope list criteria``.
        sparsity: fraction pruned, 0 ≤ sparsity < 1.
        scope: ``"global"`` counts the whole network together, ``"layer"`` each tensor by itself.
        mask: a mask to prune further.
        data: ``(images, labels)`` or batches of them, for criteria that look at data.
        ignore: module names or patterns (``fnmatch``) that are left whole and not counted.
        seed: of criteria that draw.
        **options: the criterion's own.

    Returns:
        The mask of survivors.

    Raises:
        PrunescopeError: for an unknown name or option, a sparsity outside [0, 1), missing data, or nothing to prune.

    Example:
        >>> net = nn.Linear(10, 10)
        >>> prune(net, "magnitude", sparsity=0.9).counts()
        {'weight': (10, 100)}
    """
    checked_fraction(sparsity)
    chooser = CRITERIA.build({criterion: options})
    start = _considered(Mask.full(net) if mask is None else mask, net, ignore)
    images, labels = _joined(data)
    budget = Budget.of_total(chooser.counts(net, start), sparsity=sparsity, scope=scope)
    return choose(chooser, net, start, budget, Evidence(seed=seed, images=images, labels=labels))


def _considered(mask: Mask, net: nn.Module, ignore: Sequence[str]) -> Mask:
    full = Mask.full(net)
    foreign = [n for n in mask if n not in full or full[n].shape != mask[n].shape]
    if foreign:
        raise PrunescopeError("the mask does not belong to this network", got=", ".join(foreign[:5]))
    modules = {name: name.rpartition(".")[0] for name in full}
    for pattern in ignore:
        if not any(fnmatchcase(m, pattern) or fnmatchcase(n, pattern) for n, m in modules.items()):
            raise PrunescopeError("ignore matches no prunable layer", got=pattern, expected=", ".join(modules.values()))
    left = [n for n in full if not any(fnmatchcase(modules[n], p) or fnmatchcase(n, p) for p in ignore)]
    if not left:
        raise PrunescopeError("nothing is left to prune", got=f"ignore={list(ignore)}")
    return Mask({name: mask.get(name, full[name]) for name in left})


def _joined(data: Batches | None) -> tuple[Tensor | None, Tensor | None]:
    if data is None:
        return None, None
    whole = isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], Tensor)
    batches = [tuple(batch) for batch in ([data] if whole else data)]
    if not batches or any(len(batch) != 2 for batch in batches):
        raise PrunescopeError("data cannot be read", expected="(images, labels) or batches of them", got=type(data))
    images, labels = torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches])
    if len(images) != len(labels):
        raise PrunescopeError("images and labels differ in number", expected=len(images), got=len(labels))
    return images, labels
