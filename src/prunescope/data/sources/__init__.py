"""Where images come from; importing this package registers every source."""

from __future__ import annotations

import os
from pathlib import Path

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data.dataset import SOURCES, Source
from prunescope.data.sources.arrays import Arrays
from prunescope.data.sources.canonical import Canonical, Cifar10C, Cifar10Point1, read_canonical
from prunescope.data.sources.digits import Digits
from prunescope.data.sources.folder import Folder, has_images
from prunescope.data.sources.hub import Cifar10, Hub, Mnist, NamedHub
from prunescope.data.sources.teacher import Teacher

__all__ = [
    "Arrays",
    "Canonical",
    "Cifar10",
    "Cifar10C",
    "Cifar10Point1",
    "Digits",
    "Folder",
    "Hub",
    "Mnist",
    "NamedHub",
    "Teacher",
    "read_canonical",
    "resolve_source",
]


def resolve_source(reference: str) -> Source:
    """Return the source that a text names: a registered name, a path, ``NAME=PATH``, or a name on the hub.

    Args:
        reference: ``digits``; ``mnist=FOLDER``; a folder or file of parquet; a folder of class folders with image
            files; a folder of ``save_to_disk``; a ``.npz`` file; ``owner/name``.

    Raises:
        PrunescopeError: for what is none of these, with the nearest registered names.

    Example:
        >>> resolve_source("digits"), resolve_source("ylecun/mnist").name
        (Digits(seed=0), 'ylecun/mnist')
    """
    if reference.replace("-", "_") in SOURCES.names():
        return SOURCES.build({reference: {}})
    path = Path(reference).expanduser()
    # Not Path.exists, which fails for a text that is too long to be a path.
    exists = reference != "" and os.path.exists(path)  # noqa: PTH110
    if path.suffix == ".npz":
        return Arrays(path=reference)
    if exists and path.is_dir() and has_images(path) and not any(path.rglob("*.parquet")):
        return Folder(path=reference)
    if path.suffix == ".parquet" or (exists and path.is_dir()):
        return Hub(name=reference)
    if exists:
        raise PrunescopeError("not a data file", expected="a folder of parquet or images, or .npz", got=reference)
    name, _, folder = reference.partition("=")
    if folder and "/" not in name:
        return SOURCES.build({name: {"path": folder}})
    if "/" in reference:
        return Hub(name=reference)
    raise unknown_name("data set", reference, SOURCES.names())
