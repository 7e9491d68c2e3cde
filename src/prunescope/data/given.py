"""Data that a program already holds: arrays, a torch Dataset or a DataLoader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.data.dataset import Dataset, Source

_REMEDY = "Give the images before normalisation, and mean= and std="


def given_data(data: Any, *, where: str = "data") -> Dataset:
    """Return labelled images from memory: uint8 as they are, others as float32 in [0, 1].

    Args:
        data: ``(images, labels)`` as numpy arrays or tensors, images ``[n, h, w]``, ``[n, c, h, w]`` or
            ``[n, h, w, c]``; or whatever yields ``(image, label)`` or batches of them: a torch Dataset, a DataLoader, a
            list. Images may be PIL images. ``data.classes``, where it is a list of texts, names the classes.
        where: named by errors.

    Raises:
        PrunescopeError: for anything else, images outside [0, 1], or labels that are no class numbers.

    Example:
        >>> given_data((np.zeros((2, 8, 8)), [0, 1])).shape
        (1, 8, 8)
    """
    if isinstance(data, Dataset):
        return data
    try:
        images, labels = _joined(data, where)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, PrunescopeError):
            raise
        expected = "(images, labels), a Dataset or a DataLoader"
        got = f"{type(data).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("not labelled images", expected=expected, got=got, where=where) from None
    labels = _class_numbers(labels, where)
    names = getattr(data, "classes", getattr(getattr(data, "dataset", None), "classes", None))
    known = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    counted = (str(k) for k in range(1 + int(labels.max())))
    classes = tuple(names) if known and names and len(names) > int(labels.max()) else tuple(counted)
    return Dataset(images=_unit_images(images, where), labels=labels, classes=classes)


def _joined(data: Any, where: str) -> tuple[Tensor, Tensor]:
    """Return images and labels as two tensors."""
    if isinstance(data, (tuple, list)) and len(data) == 2 and not isinstance(data[1], (tuple, Mapping)):
        images, labels = torch.as_tensor(data[0]), torch.as_tensor(data[1])
    else:
        parts = [_batch(*_pair(item)) for item in _items(data)]
        if not parts:
            raise PrunescopeError("no images", where=where)
        images, labels = torch.cat([part for part, _ in parts]), torch.cat([part for _, part in parts])
    if not len(images) or len(images) != len(labels):
        got = f"{len(images)} images, {len(labels)} labels"
        raise PrunescopeError(
            "images and labels do not match", expected="equally many, at least 1", got=got, where=where
        )
    return images, labels


def _items(data: Any) -> Iterator[Any]:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[i] for i in range(len(data)))
    if not isinstance(data, Iterable):
        raise TypeError("cannot be iterated")
    return iter(data)


def _pair(item: Any) -> tuple[Any, Any]:
    """Return image and label of an item; of a mapping, by the usual names."""
    if isinstance(item, Mapping):
        image = next((name for name in ("image", "img", "images", "pixel_values") if name in item), "image")
        label = next((name for name in ("label", "labels", "fine_label") if name in item), "label")
        return item[image], item[label]
    return item[0], item[1]


def _batch(image: Any, label: Any) -> tuple[Tensor, Tensor]:
    """Return a batch of images and one of labels; a single image becomes a batch of one."""
    pixels = image if isinstance(image, Tensor) else torch.from_numpy(np.array(image))
    labels = torch.as_tensor(label)
    return (pixels, labels) if labels.ndim else (pixels[None], labels[None])


def _class_numbers(labels: Tensor, where: str) -> Tensor:
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex() or int(labels.min()) < 0:
        got = f"{labels.dtype} {list(labels.shape)}"
        raise PrunescopeError("labels have the wrong form", expected="integers [n], 0, 1, …", got=got, where=where)
    return labels.detach().cpu().long()


def _unit_images(images: Tensor, where: str) -> Tensor:
    """Return ``[n, c, h, w]``, uint8 or float32 in [0, 1]."""
    images = images.detach().cpu()
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        expected = "[n, h, w], [n, c, h, w] or [n, h, w, c]"
        raise PrunescopeError("images have the wrong form", expected=expected, got=list(images.shape), where=where)
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if images.dtype == torch.uint8:
        return images.contiguous()
    span = f"{float(images.min()):.3g} … {float(images.max()):.3g}"
    if not images.is_floating_point() or not (float(images.min()) >= 0 and float(images.max()) <= 1):
        expected = "uint8, or float in [0, 1]"
        raise PrunescopeError(
            "images out of range", expected=expected, got=f"{images.dtype} {span}", where=where, remedy=_REMEDY
        )
    return images.float().contiguous()


class Given(Source):
    """Labelled images in memory as a source; no study file can name it."""

    splits: dict[str, Dataset]

    @staticmethod
    def of(data: Any) -> Given:
        """Return what :func:`given_data` reads as the test split, or a mapping of splits, each read so."""
        if isinstance(data, Mapping) and "test" in data:
            return Given(splits={str(name): given_data(part, where=str(name)) for name, part in data.items()})
        return Given(splits={"test": given_data(data)})

    def load(self) -> Mapping[str, Dataset]:
        """Return the splits."""
        return self.splits

    def identity(self) -> Mapping[str, Any]:
        """Return a checksum of each split: images, labels and class names."""
        return {"given": {name: _digest(part) for name, part in self.splits.items()}}


def _digest(data: Dataset) -> str:
    digest = hashlib.sha256("\n".join(data.classes).encode())
    for tensor in (data.images, data.labels):
        digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
