"""How much a compressed file may hold: hostile ones are small and unpack to more than any memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

from prunescope.core.errors import PrunescopeError

# Real images and weights pack to no less than a hundredth; what is under a gigabyte harms nobody.
MOST_BYTES, MOST_TIMES = 2**30, 100


def refuse_expansion(packed: int, unpacked: int, where: str) -> None:
    """Refuse more than a gigabyte that is also more than a hundred times the file it comes from.

    Args:
        packed: bytes of the file.
        unpacked: bytes that it says it holds; asked before they are read.
        where: named by the error.

    Raises:
        PrunescopeError: for too much.

    Example:
        >>> refuse_expansion(2**30, 2**33, "images.npz")
        >>> refuse_expansion(10**6, 10**12, "images.npz")
        Traceback (most recent call last):
        prunescope.core.errors.PrunescopeError: images.npz: unpacks to too much; expected ≤ 1.07 GB, got 1000.00 GB
    """
    limit = max(MOST_BYTES, MOST_TIMES * packed)
    if unpacked > limit:
        expected, got = (f"{size / 1e9:.2f} GB" for size in (limit, unpacked))
        raise PrunescopeError("unpacks to too much", expected=f"≤ {expected}", got=got, where=where)


def refuse_archive(file: Path) -> None:
    """Refuse a zip archive whose members together unpack to too much.

    Raises:
        PrunescopeError: for too much.
        zipfile.BadZipFile: for what is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        refuse_expansion(file.stat().st_size, sum(member.file_size for member in archive.infolist()), str(file))
