"""Data sets, where they come from, how they are seen, normalised and augmented."""

from prunescope.data.augment import AUGMENTATIONS, Augmentation, Crop, Flip
from prunescope.data.dataset import SOURCES, Dataset, Source
from prunescope.data.normalize import Normalization
from prunescope.data.shifts.shift import SHIFTS, Shift
from prunescope.data.sources import Arrays, Cifar10, Digits, Hub, Mnist, resolve_source
from prunescope.data.view import View, split_validation

__all__ = [
    "AUGMENTATIONS",
    "SHIFTS",
    "SOURCES",
    "Arrays",
    "Augmentation",
    "Cifar10",
    "Crop",
    "Dataset",
    "Digits",
    "Flip",
    "Hub",
    "Mnist",
    "Normalization",
    "Shift",
    "Source",
    "View",
    "resolve_source",
    "split_validation",
]
