"""Data sets, where they come from, how they are seen, normalised and augmented."""

from prunescope.data.augment import AUGMENTATIONS, Augmentation, Crop, Flip
from prunescope.data.corruption import Corrupt
from prunescope.data.dataset import SOURCES, Dataset, Outline, Source
from prunescope.data.given import given_data
from prunescope.data.normalize import Normalization
from prunescope.data.recolor import ColorJitter, Grayscale
from prunescope.data.resize import resized
from prunescope.data.shifts.shift import SHIFTS, Shift
from prunescope.data.sources import Arrays, Cifar10, Digits, Folder, Hub, Mnist, Teacher, resolve_source
from prunescope.data.subset import stratified_subset
from prunescope.data.view import View, split_validation
from prunescope.data.views import parse_views
from prunescope.data.warp import Affine, ResizedCrop

__all__ = [
    "AUGMENTATIONS",
    "SHIFTS",
    "SOURCES",
    "Affine",
    "Arrays",
    "Augmentation",
    "Cifar10",
    "ColorJitter",
    "Corrupt",
    "Crop",
    "Dataset",
    "Digits",
    "Flip",
    "Folder",
    "Grayscale",
    "Hub",
    "Mnist",
    "Normalization",
    "Outline",
    "ResizedCrop",
    "Shift",
    "Source",
    "Teacher",
    "View",
    "given_data",
    "parse_views",
    "resized",
    "resolve_source",
    "split_validation",
    "stratified_subset",
]
