"""The published shifted test sets as files: CIFAR-10-C (also CIFAR-100-C) and CIFAR-10.1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.data.dataset import SOURCES, Dataset, Source
from prunescope.data.shifts.shift import Severity
from prunescope.data.sources.files import checksums, labelled

SEVERITIES = 5
# Files that are called otherwise than the corruption is here.
FILES = {"elastic": "elastic_transform", "jpeg": "jpeg_compression"}


class Canonical(Source):
    """A published test set in two ``.npy`` files of a folder: images uint8 ``[n, h, w, 3]`` and labels ``[n]``.

    Attributes:
        path: the folder.
    """

    path: Annotated[str, Field(min_length=1)]

    @property
    @abstractmethod
    def label(self) -> str:
        """What the set is called in the name of a view, after ``canonical/``."""

    @abstractmethod
    def files(self) -> tuple[Path, Path]:
        """Return the files of images and labels."""

    def part(self, count: int) -> slice:
        """Return which of the images are meant."""
        return slice(0, count)

    def load(self) -> Mapping[str, Dataset]:
        """Return ``test``.

        Raises:
            PrunescopeError: for files that are not there, truncated, or of another form.
        """
        images, labels = (_opened(file) for file in self.files())
        where = str(self.files()[0])
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) != len(labels):
            expected = f"uint8 [{len(labels)}, height, width, 3], one for each label"
            got = f"{images.dtype} {list(images.shape)}"
            raise PrunescopeError("not the published file", expected=expected, got=got, where=where)
        part = self.part(len(images))
        shown = torch.from_numpy(np.ascontiguousarray(images[part].transpose(0, 3, 1, 2)))
        return labelled({"test": (shown, np.array(labels[part]))}, None, where)

    def identity(self) -> Mapping[str, Any]:
        """Return the checksums of both files and which part is meant."""
        files = self.files()
        return {self.member_name: {"label": self.label, "files": [_checksum(f, *_stamp(f)) for f in files]}}


@SOURCES.register("cifar10_c")
class Cifar10C(Canonical):
    """One corruption at one severity of CIFAR-10-C as published: the severities are stacked, 10 000 images each.

    Attributes:
        path: the folder with ``fog.npy``, …, ``labels.npy``.
        corruption: by its name here (``elastic`` is read from ``elastic_transform.npy``).
        severity: 1 to 5.

    Source: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR (2019).
    """

    corruption: str
    severity: Severity = 3

    @property
    def label(self) -> str:
        """``fog/3``."""
        return f"{self.corruption}/{self.severity}"

    def files(self) -> tuple[Path, Path]:
        """Return the files of images and labels."""
        folder = Path(self.path).expanduser()
        return folder / f"{FILES.get(self.corruption, self.corruption)}.npy", folder / "labels.npy"

    def part(self, count: int) -> slice:
        """Return the block of the severity."""
        if count % SEVERITIES:
            got, where = f"{count} images", str(self.files()[0])
            raise PrunescopeError("severities are missing", expected="five equal blocks", got=got, where=where)
        size = count // SEVERITIES
        return slice((self.severity - 1) * size, self.severity * size)


@SOURCES.register("cifar10_1")
class Cifar10Point1(Canonical):
    """CIFAR-10.1: new images for CIFAR-10, collected as the old ones were; 2 000 (v6) or 2 021 (v4).

    Attributes:
        path: the folder with ``cifar10.1_v6_data.npy`` and ``cifar10.1_v6_labels.npy``.
        version: ``v6``, balanced over the classes, or ``v4``.

    Source: Recht et al., Do CIFAR-10 classifiers generalize to CIFAR-10?, arXiv 1806.00451 (2018).
    """

    version: Literal["v4", "v6"] = "v6"

    @property
    def label(self) -> str:
        """``cifar10_1/v6``."""
        return f"cifar10_1/{self.version}"

    def files(self) -> tuple[Path, Path]:
        """Return the files of images and labels."""
        folder = Path(self.path).expanduser()
        return folder / f"cifar10.1_{self.version}_data.npy", folder / f"cifar10.1_{self.version}_labels.npy"


def read_canonical(label: str, path: str) -> Canonical:
    """Return the source behind ``fog/3`` or ``cifar10_1/v6`` in a folder.

    Raises:
        PrunescopeError: for another form, or a severity outside 1 … 5.
    """
    name, _, rest = label.partition("/")
    options: dict[str, Any] = {"path": path}
    if name == "cifar10_1":
        found = SOURCES.build({name: options | ({"version": rest} if rest else {})})
    else:
        severity = {"severity": int(rest) if rest.isdigit() else rest} if rest else {}
        found = SOURCES.build({"cifar10_c": options | {"corruption": name} | severity})
    assert isinstance(found, Canonical)
    return found


def _opened(file: Path) -> NDArray[Any]:
    """Map a file into memory; one that is shorter than its header says is refused."""
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise PrunescopeError("cannot be read", got=error.strerror or str(error), where=str(file)) from None
    except (ValueError, EOFError) as error:
        told = str(error).splitlines()[0][:200]
        raise PrunescopeError("truncated, or not a .npy file", got=told, where=str(file)) from None


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError as error:
        raise PrunescopeError("cannot be read", got=error.strerror, where=str(file)) from None
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=256)
def _checksum(file: Path, changed: int, size: int) -> str:
    """Return the checksum of a file, once for each state of it: a set of all corruptions has 3 GB."""
    return checksums([file])[0]
