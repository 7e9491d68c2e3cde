"""What a stage acts on: tensors by pattern, and the part of a mask that may change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.pruning import Mask, State

Patterns = tuple[Annotated[str, Field(min_length=1)], ...]


def matching(names: Iterable[str], patterns: Sequence[str], where: str) -> frozenset[str]:
    """Return the names that fit a pattern themselves or through a module around them.

    Args:
        names: of parameters or buffers, such as ``layer1.0.conv1.weight``.
        patterns: as ``fnmatch`` reads them: ``layer1``, ``layer*``, ``*.bn1``, ``fc.bias``.
        where: told in a refusal.

    Raises:
        PrunescopeError: for a pattern that fits nothing, with the nearest names.

    Example:
        >>> sorted(matching(["conv.weight", "bn.weight", "bn.bias"], ["bn"], "freeze"))
        ['bn.bias', 'bn.weight']
    """
    around = {name: _and_modules(name) for name in names}
    found: set[str] = set()
    for pattern in patterns:
        fitting = {name for name, all_ in around.items() if any(fnmatchcase(one, pattern) for one in all_)}
        if not fitting:
            raise unknown_name("layer or tensor", pattern, {name.rpartition(".")[0] or name for name in around}).at(
                where
            )
        found |= fitting
    return frozenset(found)


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


def _and_modules(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
