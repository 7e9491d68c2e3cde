"""Images and labels in a NumPy archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.core.expansion import refuse_archive
from prunescope.data.dataset import SOURCES, Dataset, Source
from prunescope.data.sources.files import checksums, labelled, with_test

_KEYS = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
    "validation": (("val_images", "val_labels"), ("x_val", "y_val")),
}


@SOURCES.register("arrays")
class Arrays(Source):
    """A ``.npz`` file with ``train_images``, ``train_labels``, ``test_images``, ``test_labels`` (or ``x_train``, …).

    Images are ``[n, h, w]``, ``[n, h, w, c]`` or ``[n, c, h, w]`` with 1 or 3 channels, uint8 or float in [0, 1]
    (kept as ``round(255 x)``); labels are integers ``[n]`` or ``[n, 1]``. Without a test part the part ``val_…``
    stands in for it. Pickled arrays are refused.

    Attributes:
        path: the file.
    """

    path: str

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``, or the one of them that the file holds."""
        parts = {}
        for split, (images, labels) in with_test(_read(Path(self.path).expanduser())).items():
            column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
            parts[split] = images_from_array(images, f"{self.path}: {split}"), column
        return labelled(parts, None, self.path)

    def identity(self) -> Mapping[str, Any]:
        """Return the checksum of the file."""
        return {"arrays": checksums([Path(self.path).expanduser()])}


def images_from_array(array: NDArray[Any], where: str) -> Tensor:
    """Return uint8 ``[n, channels, height, width]`` from ``[n, h, w]``, ``[n, h, w, c]`` or ``[n, c, h, w]``.

    Raises:
        PrunescopeError: for another type or form, values outside [0, 1], or channels that could be first or last.

    Example:
        >>> images_from_array(np.zeros((5, 8, 8, 3)), "here").shape
        torch.Size([5, 3, 8, 8])
    """
    if array.dtype != np.uint8:
        if array.dtype.kind != "f" or (array.size and not (array.min() >= 0 and array.max() <= 1)):
            span = f" from {array.min()} to {array.max()}" if array.size and array.dtype.kind in "fiu" else ""
            expected = "uint8, or float in [0, 1]"
            raise PrunescopeError(
                "images have the wrong type", expected=expected, got=f"{array.dtype}{span}", where=where
            )
        array = np.rint(array * np.asarray(255, array.dtype)).astype(np.uint8)
    if array.ndim == 3:
        array = array[:, None]
    first, last = (array.ndim == 4 and array.shape[axis] in (1, 3) for axis in (1, 3))
    if first == last:
        problem = "channels could be first or last" if first else "images have the wrong form"
        expected = "[n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 channels"
        raise PrunescopeError(problem, expected=expected, got=list(array.shape), where=where)
    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2) if last else array))


def _read(path: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return images and labels of each part in the file."""
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            refuse_archive(path)
            pairs = [(split, pair) for split, spellings in _KEYS.items() for pair in spellings]
            found = {
                split: (archive[images], archive[labels])
                for split, (images, labels) in pairs
                if images in archive and labels in archive
            }
    except PrunescopeError:
        raise
    except Exception as error:  # archives, compression and headers of foreign files fail in many ways
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("not a readable .npz file of plain arrays", got=told, where=str(path)) from None
    if not found:
        got = ", ".join(archive.files)[:200]
        raise PrunescopeError("no images with labels in this file", expected=_KEYS["test"][0], got=got, where=str(path))
    return found
