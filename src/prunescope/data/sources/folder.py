"""Image files in one folder for each class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data.dataset import SOURCES, SUBSET_SEED, Dataset, Source
from prunescope.data.sources.decode import decode_images
from prunescope.data.sources.files import checksums, labelled, with_test
from prunescope.data.sources.parquet import SPLIT_WORDS
from prunescope.data.subset import stratified_subset

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
Files = list[tuple[Path, str]]


@SOURCES.register("folder")
class Folder(Source):
    """Image files ``path/CLASS/NAME.png``, or ``path/SPLIT/CLASS/NAME.png`` with splits train, test, val.

    Classes are the names of the folders in the order of their text, as elsewhere: ``10`` stands before ``2``. Folders
    without splits are the test split; ``val`` stands in for a missing one. All images have one size unless resized.

    Attributes:
        path: the outer folder.
    """

    path: Annotated[str, Field(min_length=1)]

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``, or the one of them that is there."""
        return self._read(self._splits())

    def select(self, split: str, *, resize: int | None = None, limit: int | None = None) -> Dataset:
        """Return one split; the images of no other one, and no more than ``limit``, are decoded."""
        splits = self._splits()
        if split not in splits:
            raise unknown_name("split", split, splits).at(self.path)
        return self._read(splits, resize, limit, {split})[split]

    def identity(self) -> Mapping[str, Any]:
        """Return a checksum of each split: of its classes, and the content of its files in order."""
        return {"folder": {split: _digest(files) for split, files in self._splits().items()}}

    def _splits(self) -> dict[str, Files]:
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise PrunescopeError("there is no such folder", got=self.path, where="folder")
        named = {SPLIT_WORDS[f.name.lower()]: f for f in sorted(root.iterdir()) if f.name.lower() in SPLIT_WORDS}
        splits = {split: _images(folder) for split, folder in (named or {"test": root}).items()}
        if not any(splits.values()):
            expected = "CLASS/NAME.png, or SPLIT/CLASS/NAME.png"
            raise PrunescopeError("no images in class folders", expected=expected, where=self.path)
        return with_test({split: files for split, files in splits.items() if files})

    def _read(
        self,
        splits: Mapping[str, Files],
        resize: int | None = None,
        limit: int | None = None,
        wanted: set[str] | None = None,
    ) -> dict[str, Dataset]:
        classes = sorted({name for files in splits.values() for _, name in files})
        parts = {}
        for split in wanted or set(splits):
            files = splits[split]
            labels = np.array([classes.index(name) for _, name in files])
            if limit is not None and limit < len(files):
                chosen = stratified_subset(labels, limit, SUBSET_SEED)
                files, labels = [files[i] for i in chosen], labels[chosen]
            images = decode_images((path.read_bytes() for path, _ in files), f"{self.path}: {split}", resize=resize)
            parts[split] = images, labels
        return labelled(parts, tuple(classes), self.path)


def has_images(root: Path) -> bool:
    """Return whether a folder holds image files one or two folders down."""
    return any(p.suffix.lower() in SUFFIXES for depth in ("*/*", "*/*/*") for p in root.glob(depth))


def _images(root: Path) -> Files:
    """Return every image below ``root`` with the name of the folder directly below it."""
    found = sorted(p for p in root.glob("*/**/*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return [(path, path.relative_to(root).parts[0]) for path in found]


def _digest(files: Files) -> str:
    lines = (f"{name}/{sha}\n" for (_, name), sha in zip(files, checksums(p for p, _ in files), strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
