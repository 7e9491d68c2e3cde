"""The one refusal of prunescope: what was expected, what came, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PrunescopeError(ValueError):
    """Input that cannot be used, told to a person in one message.

    The text reads ``where: problem; expected …, got …. remedy``; the parts left empty are left out.

    Example:
        >>> raise PrunescopeError("sparsity out of range", expected="0 ≤ s < 1", got=1.5, where="prune")
        Traceback (most recent call last):
        prunescope.core.errors.PrunescopeError: prune: sparsity out of range; expected 0 ≤ s < 1, got 1.5
    """

    def __init__(
        self, problem: str, *, expected: object = None, got: object = None, where: str = "", remedy: str = ""
    ) -> None:
        self.problem = problem
        self.expected = expected
        self.got = got
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        """Join the parts that were given."""
        told = [f"expected {self.expected}"] * (self.expected is not None)
        told += [f"got {self.got}"] * (self.got is not None)
        text = self.problem + ("; " + ", ".join(told) if told else "")
        return (f"{self.where}: " if self.where else "") + text + (f". {self.remedy}" if self.remedy else "")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process with all parts."""
        return _rebuild, (self.problem, self.expected, self.got, self.where, self.remedy)

    def at(self, where: str) -> PrunescopeError:
        """Return the same refusal with the outer place put before the inner one."""
        place = f"{where}: {self.where}" if self.where else where
        return PrunescopeError(self.problem, expected=self.expected, got=self.got, where=place, remedy=self.remedy)


def _rebuild(problem: str, expected: object, got: object, where: str, remedy: str) -> PrunescopeError:
    return PrunescopeError(problem, expected=expected, got=got, where=where, remedy=remedy)


def unknown_name(family: str, name: object, known: Iterable[str]) -> PrunescopeError:
    """Return the refusal of a name that is not known: the nearest names first, then the full list."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name).replace("-", "_"), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return PrunescopeError(f"unknown {family} {name!r}", remedy=f"{hint}Known: {', '.join(names) if names else 'none'}")
