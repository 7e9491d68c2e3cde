import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Folder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(256, size=(6, 5, 4, 3), dtype=np.uint8)
CLASSES = ["10", "2", "cat"]


@pytest.fixture
def write(tmp_path, encode):
    """Write images i of class i mod 3 into class folders below a folder of tmp_path."""

    def writing(below="", images=PIXELS):
        for i, pixels in enumerate(images):
            path = tmp_path / below / CLASSES[i % 3] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pixels))
        return tmp_path

    return writing


def test_class_folders_are_the_test_split_in_the_order_of_their_names(write):
    root = write()
    (root / "cat" / "notes.txt").write_text("no image")
    loaded = Folder(path=str(root)).load()
    assert list(loaded) == ["test"] and loaded["test"].classes == tuple(CLASSES)
    assert loaded["test"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(loaded["test"].images[1], torch.from_numpy(PIXELS[3].transpose(2, 0, 1).copy()))


def test_splits_are_folders_and_val_stands_in_for_test(write):
    write("train")
    root = write("val", PIXELS[:4])
    loaded = Folder(path=str(root)).load()
    assert {split: len(part) for split, part in loaded.items()} == {"train": 6, "test": 4}
    write("test", PIXELS[:3])
    assert len(Folder(path=str(root)).select("test")) == 3


def test_a_split_knows_the_classes_of_all(write):
    write("train")
    root = write("test", PIXELS[:1])
    assert Folder(path=str(root)).select("test").classes == tuple(CLASSES)


def test_images_of_any_size_are_resized_and_a_part_is_stratified(write, encode):
    root = write()
    (root / "cat" / "wide.png").write_bytes(encode(RNG.integers(256, size=(8, 20, 3), dtype=np.uint8)))
    with pytest.raises(PrunescopeError, match=r"images differ in size.*--resize"):
        Folder(path=str(root)).load()
    part = Folder(path=str(root)).select("test", resize=4, limit=3)
    assert part.shape == (3, 4, 4) and part.labels.tolist() == [0, 1, 2]


def test_identity_is_content_and_classes_and_not_the_path(write, tmp_path):
    root = write()
    first = Folder(path=str(root)).identity()
    moved = root.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    assert Folder(path=str(moved)).identity() == first and str(moved) not in str(first)
    (moved / "cat").rename(moved / "dog")
    assert Folder(path=str(moved)).identity() != first


def test_no_folder_and_no_images_are_refused(tmp_path):
    with pytest.raises(PrunescopeError, match="no such folder"):
        Folder(path=str(tmp_path / "nowhere")).load()
    with pytest.raises(PrunescopeError, match="no images in class folders"):
        Folder(path=str(tmp_path)).load()
    with pytest.raises(PrunescopeError, match="no images"):
        Folder(path=str(tmp_path)).identity()


def test_another_split_is_refused(write):
    with pytest.raises(PrunescopeError, match="unknown split 'train'"):
        Folder(path=str(write())).select("train")
