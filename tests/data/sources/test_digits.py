import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Digits


@pytest.fixture(scope="module")
def digits():
    return Digits().load()


def test_sizes_types_and_classes(digits):
    assert list(digits) == ["train", "test"]
    assert len(digits["train"]) == 1197 and len(digits["test"]) == 600
    assert all(part.shape == (1, 8, 8) and part.classes == tuple("0123456789") for part in digits.values())


def test_the_parts_are_scikit_learns_images_scaled_and_rounded(digits):
    original = load_digits()
    scaled = np.floor(original.images * 255 / 16 + 0.5).astype(np.uint8)
    expected = {(image.tobytes(), int(target)) for image, target in zip(scaled, original.target, strict=True)}
    images = torch.cat([part.images for part in digits.values()]).numpy()
    labels = torch.cat([part.labels for part in digits.values()]).tolist()
    assert len(images) == 1797
    assert {(image.tobytes(), label) for image, label in zip(images, labels, strict=True)} == expected
    assert images.max() == 255 and images.min() == 0


def test_the_split_is_stratified_deterministic_and_seeded(digits):
    shares = digits["test"].labels.bincount() / digits["train"].labels.bincount()
    assert (shares - 600 / 1197).abs().max() < 0.02
    again, other = Digits().load(), Digits(seed=1).load()
    assert torch.equal(again["test"].images, digits["test"].images)
    assert not torch.equal(other["test"].images, digits["test"].images)
    assert digits["test"].labels[:12].tolist() == [5, 4, 7, 9, 2, 8, 5, 9, 7, 4, 3, 1]


def test_identity_is_its_options():
    assert Digits(seed=3).identity() == {"digits": {"seed": 3}}


def test_seeds_that_scikit_learn_cannot_take_are_refused():
    with pytest.raises(PrunescopeError, match="digits: seed"):
        SOURCES.build({"digits": {"seed": -1}})


def test_its_outline_is_that_of_what_it_loads():
    outline, loaded = Digits().outline(), Digits().load()
    assert outline.images == {name: tuple(split.images.shape) for name, split in loaded.items()}
    assert outline.classes == len(loaded["train"].classes)
