import io
import pickle
import zipfile

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Arrays

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(6, 3, 5, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def save(path, **arrays):
    np.savez(path, **arrays)
    return Arrays(path=str(path))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (IMAGES, IMAGES),
        (IMAGES.transpose(0, 2, 3, 1), IMAGES),
        (IMAGES[:, :1], IMAGES[:, :1]),
        (IMAGES[:, 0], IMAGES[:, :1]),
        (IMAGES[:, 0, :, :, None], IMAGES[:, :1]),
        ((IMAGES / 255).astype(np.float32), IMAGES),
        ((IMAGES / 255).astype(np.float64), IMAGES),
    ],
)
def test_every_layout_and_type_gives_the_same_images(tmp_path, stored, expected):
    data = save(tmp_path / "a.npz", test_images=stored, test_labels=LABELS).load()["test"]
    assert torch.equal(data.images, torch.from_numpy(np.ascontiguousarray(expected)))
    assert data.images.is_contiguous() and data.labels.tolist() == LABELS.tolist()
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("keys", "splits"),
    [
        (("train_images", "train_labels", "test_images", "test_labels"), ["train", "test"]),
        (("x_train", "y_train", "x_test", "y_test"), ["train", "test"]),
        (("train_images", "train_labels", "val_images", "val_labels"), ["train", "test"]),
        (("x_test", "y_test"), ["test"]),
    ],
)
def test_every_spelling_of_the_parts_is_read(tmp_path, keys, splits):
    arrays = {key: IMAGES if "images" in key or key[0] == "x" else LABELS[:, None] for key in keys}
    loaded = save(tmp_path / "a.npz", extra=np.zeros(3), **arrays).load()
    assert list(loaded) == splits
    assert all(len(part) == 6 for part in loaded.values())


def test_a_validation_part_does_not_replace_a_test_part(tmp_path):
    source = save(tmp_path / "a.npz", val_images=IMAGES, val_labels=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])
    assert len(source.load()["test"]) == 2


def test_classes_count_the_labels_of_all_parts(tmp_path):
    parts = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS * 4}
    assert save(tmp_path / "a.npz", **parts).load()["train"].classes == tuple("012345678")


def test_identity_is_the_content_and_not_the_path(tmp_path):
    first = save(tmp_path / "a.npz", x_test=IMAGES, y_test=LABELS)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    other = save(tmp_path / "c.npz", x_test=IMAGES, y_test=LABELS[::-1])
    assert first.identity() == Arrays(path=str(tmp_path / "b.npz")).identity() != other.identity()
    assert str(tmp_path) not in str(first.identity())


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"test_images": IMAGES}, "no images with labels.*got test_images"),
        ({"x_test": IMAGES.astype(np.int64), "y_test": LABELS}, "wrong type.*int64 from 0 to 255"),
        ({"x_test": IMAGES / 100, "y_test": LABELS}, "wrong type.*float64 from 0.0 to 2.55"),
        ({"x_test": np.full((6, 5, 4), np.nan), "y_test": LABELS}, "wrong type.*nan"),
        ({"x_test": IMAGES[:, :2], "y_test": LABELS}, r"wrong form.*\[6, 2, 5, 4\]"),
        ({"x_test": IMAGES[0, 0], "y_test": LABELS}, r"wrong form.*\[5, 4\]"),
        ({"x_test": IMAGES[:, :, :, :3], "y_test": LABELS}, "first or last"),
        ({"x_test": IMAGES, "y_test": LABELS[:5]}, r"labels.*wrong form; expected integers \[6\], got int64 \[5\]"),
        ({"x_test": IMAGES, "y_test": LABELS / 1}, "labels.*float64"),
        ({"x_test": IMAGES, "y_test": LABELS - 1}, "no class.*got -1"),
        ({"x_test": IMAGES, "y_test": LABELS * 10**6}, "no class; expected 0 … 99999, got 2000000"),
        ({"x_test": IMAGES[:0], "y_test": LABELS[:0]}, "test: no images"),
        ({"x_test": IMAGES, "y_test": LABELS, "x_train": IMAGES[:, :1], "y_train": LABELS}, "differ in image size"),
        ({"x_test": IMAGES, "y_test": np.array([{}] * 6)}, "plain arrays.*allow_pickle=False"),
    ],
)
def test_what_holds_no_data_set_is_refused_with_its_path(tmp_path, arrays, told):
    with pytest.raises(PrunescopeError, match=told) as refusal:
        save(tmp_path / "a.npz", **arrays).load()
    assert str(tmp_path / "a.npz") in str(refusal.value)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def test_files_that_are_no_archive_are_refused(tmp_path):
    save(tmp_path / "good.npz", x_test=IMAGES, y_test=LABELS)
    whole = (tmp_path / "good.npz").read_bytes()
    np.save(tmp_path / "array.npy", IMAGES)
    damaged = bytearray(whole)
    damaged[200:260] = b"\xff" * 60
    contents = {
        "missing": None,
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
        "pickle": pickle.dumps(Bomb()),
        "single": (tmp_path / "array.npy").read_bytes(),
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.npz"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(PrunescopeError, match=rf"{name}\.npz: not a readable \.npz file"):
            Arrays(path=str(path)).load()
    with pytest.raises(PrunescopeError, match=r"missing\.npz: cannot be read"):
        Arrays(path=str(tmp_path / "missing.npz")).identity()


def test_an_archive_may_not_unpack_to_more_than_a_hundred_times_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.core.expansion.MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", x_test=np.zeros((4000, 8, 8), np.uint8), y_test=np.zeros(4000, int))
    with pytest.raises(PrunescopeError, match=r"bomb\.npz: unpacks to too much; expected ≤"):
        Arrays(path=str(tmp_path / "bomb.npz")).load()


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(tmp_path / "false.npz", "w") as archive:
        archive.writestr("x_test.npy", stream.getvalue())
        archive.writestr("y_test.npy", stream.getvalue())
    with pytest.raises(PrunescopeError, match=r"false\.npz: not a readable \.npz file"):
        Arrays(path=str(tmp_path / "false.npz")).load()
