"""Garbage: artefacts of a store that no named study reaches."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.core.errors import PrunescopeError
from prunescope.study.plan import plan_study
from prunescope.study.run import default_store
from prunescope.study.store import Store
from prunescope.study.study import Study


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What no named study reaches.

    Attributes:
        folders: of the artefacts.
        size: bytes of them.
        kept: number of artefacts that are reached.
        removed: whether they are gone.
    """

    folders: tuple[Path, ...]
    size: int
    kept: int
    removed: bool

    def __str__(self) -> str:
        """Tell it in one line."""
        told = f"{len(self.folders)} artefacts that no named study reaches, {self.size / 1e6:.1f} MB"
        return f"{told}: {'removed' if self.removed else 'would be removed (--remove does it)'}; {self.kept} kept"


def garbage(studies: Sequence[Study], *, store: str | Path | None = None, remove: bool = False) -> Garbage:
    """Find the artefacts that none of the studies reaches, and remove them if told to.

    Artefacts of audits and of studies that are not named count as garbage: look first, then ``remove``.

    Raises:
        PrunescopeError: without a study, for then everything would be garbage.
    """
    if not studies:
        raise PrunescopeError("no study is named", remedy="Everything would be garbage; remove the folder instead")
    place = Store(store or default_store())
    reached = {key for study in studies for key in plan_study(study).nodes}
    found = list(place.folders())
    unreached = tuple(folder for folder in found if folder.name not in reached)
    size = sum(file.stat().st_size for folder in unreached for file in folder.iterdir())
    for folder in unreached if remove else ():
        shutil.rmtree(folder)
    return Garbage(folders=unreached, size=size, kept=len(found) - len(unreached), removed=remove)
