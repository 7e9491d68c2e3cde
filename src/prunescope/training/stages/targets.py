"""What a stage acts on: the part of a mask that may change."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import matching
from prunescope.pruning import Mask, State


def changeable(state: State, ignore: Sequence[str], where: str) -> Mask:
    """Return the mask of the tensors that a stage may prune or revive: not frozen, not ignored.

    Raises:
        PrunescopeError: when there is none.
    """
    ignored = matching(state.mask, ignore, f"{where}.ignore") if ignore else frozenset()
    part = {name: kept for name, kept in state.mask.items() if name not in state.frozen | ignored}
    if not part:
        got = f"{len(state.frozen & set(state.mask))} frozen and {len(ignored)} ignored of {len(state.mask)} tensors"
        raise PrunescopeError("no weights that this stage may change", got=got, where=where)
    return Mask(part)
