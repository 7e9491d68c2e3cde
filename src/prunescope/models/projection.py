"""The projection head of contrastive training: beside the classifier, and no part of what is pruned."""

from __future__ import annotations

from typing import Literal

from torch import nn

Projection = Literal["none", "linear", "mlp"]

OUTPUTS = 128


class Auxiliary(nn.Sequential):
    """Layers that only training reads: the logits do not depend on them, so they are neither pruned nor counted."""


def auxiliary(net: nn.Module) -> frozenset[nn.Module]:
    """Return all modules of ``net`` that lie inside an :class:`Auxiliary`."""
    return frozenset(part for module in net.modules() if isinstance(module, Auxiliary) for part in module.modules())


def projection_head(width: int, kind: Projection) -> Auxiliary | None:
    """Return the head that turns ``width`` latent numbers into 128 for a contrastive objective.

    ``linear`` is one layer, ``mlp`` has a hidden ReLU layer as wide as the latent, ``none`` is no head.

    Source: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, section 3.
    """
    if kind == "none":
        return None
    if kind == "linear":
        return Auxiliary(nn.Linear(width, OUTPUTS))
    return Auxiliary(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, OUTPUTS))
