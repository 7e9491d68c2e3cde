"""scikit-learn's handwritten digits, embedded: 1797 grey images of 8×8 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from prunescope.data.dataset import SOURCES, Dataset, Outline, Source

_SIZE, _TEST_SIZE = 1797, 600


@SOURCES.register("digits")
class Digits(Source):
    """The digits of scikit-learn, 1197 to train and 600 to test, in a stratified split.

    Grey values 0 … 16 become ``round(255 v / 16)``. Needs no file and no network.

    Attributes:
        seed: of the split.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository 1998.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        pixels, targets = load_digits(return_X_y=True)
        images = torch.from_numpy(np.rint(pixels * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
        labels = torch.from_numpy(targets.astype(np.int64))
        whole = Dataset(images=images, labels=labels, classes=tuple("0123456789"))
        parts = train_test_split(np.arange(len(labels)), test_size=_TEST_SIZE, stratify=targets, random_state=self.seed)
        return {name: whole.take(torch.from_numpy(part)) for name, part in zip(("train", "test"), parts, strict=True)}

    def outline(self) -> Outline:
        """Return 1197 and 600 images of ten classes."""
        return Outline({"train": (_SIZE - _TEST_SIZE, 1, 8, 8), "test": (_TEST_SIZE, 1, 8, 8)}, classes=10)

    def identity(self) -> Mapping[str, Any]:
        """Return the options."""
        return {"digits": self.canonical(complete=True)}
