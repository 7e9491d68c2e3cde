import logging

import datasets
import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Cifar10, Hub, Mnist

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(256, size=(7, 6, 5, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 1, 0, 2, 1]
NAMES = ["ant", "bee", "cat"]


@pytest.fixture
def folder(tmp_path, encode, write_parquet):
    for split, rows in (("train", slice(0, 4)), ("test", slice(4, 7))):
        path = tmp_path / "data" / "plain_text" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, [encode(a) for a in COLOUR[rows]], LABELS[rows], names=NAMES, image="img")
    return tmp_path / "data"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Answer for the hub: nothing is there."""

    def load_dataset(name, configuration, *, revision):
        logging.getLogger("huggingface_hub").warning("retrying %s", name)
        raise ConnectionError(f"Couldn't reach {name!r} on the Hub\nat {revision}")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


def test_a_folder_gives_its_images_labels_and_class_names(folder):
    loaded = Hub(name=str(folder)).load()
    assert list(loaded) == ["train", "test"]
    assert torch.equal(loaded["train"].images, torch.from_numpy(COLOUR[:4].transpose(0, 3, 1, 2).copy()))
    assert torch.equal(loaded["test"].images, torch.from_numpy(COLOUR[4:].transpose(0, 3, 1, 2).copy()))
    assert loaded["train"].labels.tolist() == LABELS[:4] and loaded["test"].labels.tolist() == LABELS[4:]
    assert loaded["train"].classes == loaded["test"].classes == tuple(NAMES)


def test_a_part_of_one_split_is_read_alone(folder):
    (folder / "plain_text" / "train-00000-of-00001.parquet").write_bytes(b"not read")
    for source in (Hub(name=str(folder)), Cifar10(path=str(folder))):
        part = source.select("test", limit=2, resize=4)
        assert part.shape == (3, 4, 4) and len(part) == 2 and part.classes == tuple(NAMES)
    with pytest.raises(PrunescopeError, match="no such split; got validation"):
        Hub(name=str(folder)).select("validation")


@pytest.mark.parametrize("split", [True, False])
def test_what_save_to_disk_wrote_is_read(tmp_path, encode, split):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"image": [{"bytes": encode(a), "path": None} for a in COLOUR], "label": LABELS}
    held = datasets.Dataset.from_dict(rows, features=features)
    (datasets.DatasetDict({"test": held}) if split else held).save_to_disk(str(tmp_path / "saved"))
    source = Hub(name=str(tmp_path / "saved"))
    loaded = source.select("test")
    assert torch.equal(loaded.images, torch.from_numpy(COLOUR.transpose(0, 3, 1, 2).copy()))
    assert loaded.labels.tolist() == LABELS and loaded.classes == tuple(NAMES)
    assert list(source.identity()) == ["arrow"]


def test_a_file_gives_its_split_alone(folder):
    loaded = Hub(name=str(folder / "plain_text" / "test-00000-of-00001.parquet")).load()
    assert list(loaded) == ["test"] and len(loaded["test"]) == 3


def test_what_the_datasets_library_writes_is_read(tmp_path, encode):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"image": [{"bytes": encode(a[..., 0].copy()), "path": None} for a in COLOUR], "label": LABELS}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "test.parquet"))
    loaded = Hub(name=str(tmp_path)).load()["test"]
    assert torch.equal(loaded.images, torch.from_numpy(COLOUR[..., 0].copy()).unsqueeze(1))
    assert loaded.labels.tolist() == LABELS and loaded.classes == tuple(NAMES)


def test_validation_stands_in_for_a_missing_test_split(tmp_path, encode, write_parquet):
    images = [encode(a) for a in COLOUR]
    write_parquet(tmp_path / "train.parquet", images, LABELS)
    write_parquet(tmp_path / "val.parquet", images[:2], [0, 4])
    loaded = Hub(name=str(tmp_path)).load()
    assert len(loaded["test"]) == 2 and loaded["train"].classes == tuple("01234")
    write_parquet(tmp_path / "test.parquet", images[:3], LABELS[:3])
    assert len(Hub(name=str(tmp_path)).load()["test"]) == 3


def test_identity_is_the_content_and_not_the_path(folder, tmp_path):
    renamed = folder.rename(tmp_path / "elsewhere")
    identity = Hub(name=str(renamed)).identity()
    assert identity == Hub(name=str(renamed / "plain_text")).identity() == Cifar10(path=str(renamed)).identity()
    assert str(tmp_path) not in str(identity)
    assert Hub(name=str(renamed), label="label").identity() != identity
    test = renamed / "plain_text" / "test-00000-of-00001.parquet"
    test.write_bytes(test.read_bytes() + b" ")
    assert Hub(name=str(renamed)).identity() != identity


def test_identity_on_the_hub_is_name_and_revision():
    assert Hub(name="a/b").identity() == {"hub": {"name": "a/b", "revision": "main"}}
    assert Hub(name="a/b", revision="v2", configuration="c").identity() == {
        "hub": {"name": "a/b", "revision": "v2", "configuration": "c"}
    }
    assert Mnist().identity() == Hub(name="ylecun/mnist").identity()
    assert Cifar10().identity() == Hub(name="uoft-cs/cifar10").identity()


def test_named_data_sets_load_from_a_local_folder(folder):
    loaded = Mnist(path=str(folder)).load()
    assert torch.equal(loaded["test"].images, Hub(name=str(folder)).load()["test"].images)


@pytest.mark.parametrize("stored", ["bytes", "files"])
def test_a_data_set_of_the_hub_is_read_like_a_folder(monkeypatch, tmp_path, encode, stored):
    asked = []
    images = [{"bytes": encode(a), "path": None} for a in COLOUR]
    if stored == "files":
        for number, image in enumerate(images):
            (tmp_path / f"{number}.png").write_bytes(image["bytes"])
        images = [str(tmp_path / f"{number}.png") for number in range(7)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    data = datasets.Dataset.from_dict({"image": images, "label": LABELS}, features=features)

    def load_dataset(name, configuration, *, revision):
        asked.append((name, configuration, revision))
        return datasets.DatasetDict({"train": data, "validation": data.select([2, 0]), "extra": data})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = Hub(name="owner/things", configuration="small", revision="v1").load()
    assert asked == [("owner/things", "small", "v1")]
    assert list(loaded) == ["train", "test"]
    assert torch.equal(loaded["train"].images, torch.from_numpy(COLOUR.transpose(0, 3, 1, 2).copy()))
    assert loaded["test"].labels.tolist() == [2, 0] and loaded["test"].classes == tuple(NAMES)


def test_a_data_set_of_the_hub_without_a_known_split_is_refused(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.DatasetDict())
    with pytest.raises(PrunescopeError, match="owner/things: no split named train, test or validation"):
        Hub(name="owner/things").load()


@pytest.mark.parametrize("source", [Hub(name="owner/things"), Mnist(), Cifar10()])
def test_a_hub_that_cannot_be_reached_is_told_with_the_remedy(offline, caplog, source):
    with pytest.raises(
        PrunescopeError, match=r"cannot be loaded from the hub.*Couldn't reach.*local folder"
    ) as refusal:
        source.load()
    assert "\n" not in str(refusal.value)
    assert not caplog.records


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "nowhere", "a/b.parquet", "a/b/c", "~/nowhere/x"])
def test_a_missing_path_is_not_looked_up_on_the_hub(name):
    for act in (Hub(name=name).load, Hub(name=name).identity):
        with pytest.raises(PrunescopeError, match=f"no such file or folder.*got {name}"):
            act()


@pytest.mark.parametrize("option", [{"configuration": "small"}, {"revision": "v1"}])
def test_options_of_the_hub_are_refused_for_a_folder(folder, option):
    with pytest.raises(PrunescopeError, match="belong to names on the hub"):
        Hub(name=str(folder), **option).load()


def test_class_names_that_differ_between_splits_are_refused(folder, encode, write_parquet):
    path = folder / "plain_text" / "test-00000-of-00001.parquet"
    write_parquet(path, [encode(COLOUR[0])], [0], names=["x", "y"], image="img")
    with pytest.raises(PrunescopeError, match=r"differ in their class names.*\('x', 'y'\)"):
        Hub(name=str(folder)).load()


@pytest.mark.parametrize(
    ("labels", "names", "told"),
    [
        ([0, -1], NAMES, "a label has no class; expected 0 … 2, got -1"),
        ([0, 3], NAMES, "a label has no class; expected 0 … 2, got 3"),
        ([0, None], None, "labels have the wrong form.*float64"),
        ([0, None], NAMES, "labels have the wrong form.*float64"),
    ],
)
def test_labels_without_a_class_are_refused(tmp_path, encode, write_parquet, labels, names, told):
    write_parquet(tmp_path / "test.parquet", [encode(a) for a in COLOUR[:2]], labels, names=names)
    with pytest.raises(PrunescopeError, match=f"test: {told}"):
        Hub(name=str(tmp_path)).load()


def test_broken_images_are_refused_with_file_column_and_row(tmp_path, encode, write_parquet):
    write_parquet(tmp_path / "test.parquet", [encode(COLOUR[0]), b"nonsense"], [0, 1])
    with pytest.raises(PrunescopeError, match=r"test\.parquet: image: row 1: not a readable image"):
        Hub(name=str(tmp_path)).load()


def test_an_empty_split_is_refused(tmp_path, write_parquet):
    write_parquet(tmp_path / "test.parquet", [], [])
    with pytest.raises(PrunescopeError, match="test: no images"):
        Hub(name=str(tmp_path)).load()


def test_splits_of_different_sizes_are_refused(tmp_path, encode, write_parquet):
    write_parquet(tmp_path / "train.parquet", [encode(COLOUR[0])], [0])
    write_parquet(tmp_path / "test.parquet", [encode(COLOUR[0][:4])], [0])
    with pytest.raises(PrunescopeError, match="differ in image size"):
        Hub(name=str(tmp_path)).load()


def test_the_outline_of_local_files_is_that_of_what_they_hold(folder):
    source = Hub(name=str(folder))
    images = {name: tuple(split.images.shape) for name, split in source.load().items()}
    assert source.outline() == (images, len(NAMES))
    assert Hub(name="nobody/nothing").outline() is None
