"""Names by pattern: layers and tensors as a person points at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from prunescope.core.errors import unknown_name

Patterns = tuple[Annotated[str, Field(min_length=1)], ...]


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name fits a pattern itself or through a module around it.

    Example:
        >>> fits("layer1.0.conv1.weight", ["layer1"]), fits("layer10.weight", ["layer1"])
        (True, False)
    """
    parts = name.split(".")
    around = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(fnmatchcase(one, pattern) for one in around for pattern in patterns)


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
    known = list(names)
    for pattern in patterns:
        if not any(fits(name, [pattern]) for name in known):
            layers = {name.rpartition(".")[0] or name for name in known}
            raise unknown_name("layer or tensor", pattern, layers).at(where)
    return frozenset(name for name in known if fits(name, patterns))
