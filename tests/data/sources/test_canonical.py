"""CIFAR-10-C and CIFAR-10.1 as files: read, named, refused when they are not what was published."""

import numpy as np
import pytest
import torch

from prunescope import load_study, results, run
from prunescope.core.errors import PrunescopeError
from prunescope.data import View, parse_views
from prunescope.data.sources import Cifar10C, Cifar10Point1

N = 20


@pytest.fixture
def folder(tmp_path):
    """Write small files of the published form: five blocks of N images whose first pixel tells block and place."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(5 * N, 8, 8, 3)).astype(np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.repeat(np.arange(5), N), np.tile(np.arange(N), 5)
    labels = np.tile(np.arange(N) % 10, 5).astype(np.uint8)
    for name in ("fog", "elastic_transform", "snow"):
        np.save(tmp_path / f"{name}.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "cifar10.1_v6_data.npy", images[:N])
    np.save(tmp_path / "cifar10.1_v6_labels.npy", labels[:N].astype(np.int32))
    return tmp_path


def test_a_severity_is_its_block_of_the_file(folder):
    data = Cifar10C(path=str(folder), corruption="fog", severity=4).load()["test"]
    assert data.images.shape == (N, 3, 8, 8)
    assert data.images[:, 0, 0, 0].unique().tolist() == [3]
    assert data.images[:, 1, 0, 0].tolist() == list(range(N))
    assert data.labels.tolist() == [i % 10 for i in range(N)]


def test_corruptions_go_by_their_names_here_and_are_known_by_content(folder, tmp_path):
    elastic = Cifar10C(path=str(folder), corruption="elastic", severity=1)
    assert torch.equal(elastic.load()["test"].images[:, 0, 0, 0], torch.zeros(N, dtype=torch.uint8))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.glob("*.npy"):
        (copy / file.name).write_bytes(file.read_bytes())
    here, there = (View.parse(f"canonical/fog/2={place}") for place in (folder, copy))
    assert here.canonical() == there.canonical()
    assert str(folder) not in str(here.canonical(complete=True))
    assert here.canonical() != View.parse(f"canonical/fog/3={folder}").canonical()


def test_views_are_named_without_their_folder_and_say_that_they_are_canonical(folder):
    names = [view.name for view in parse_views([f"canonical/{{fog,snow}}/{{1,3}}[10]={folder}"])]
    assert names == [f"canonical/{name}/{s}[10]" for name in ("fog", "snow") for s in (1, 3)]
    view = View.parse(f"canonical/cifar10_1/v6={folder}")
    assert (view.name, view.kind) == ("canonical/cifar10_1/v6", "canonical")
    assert len(Cifar10Point1(path=str(folder)).load()["test"]) == N
    assert len(parse_views([f"canonical/*/3={folder}"])) == 19


def test_a_study_sees_them(folder, tmp_path):
    rng = np.random.default_rng(1)
    images, labels = rng.integers(256, size=(60, 8, 8, 3)).astype(np.uint8), np.arange(60) % 10
    np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    study = load_study(
        {
            "name": "canonical",
            "data": str(tmp_path / "data.npz"),
            "validation": 0.2,
            "model": {"mlp": {"hidden": [4]}},
            "seeds": 1,
            "recipes": {
                "dense": [{"train": {"until": "1it", "batch": 8}}],
                "wt": {"from": "dense", "levels": [0.5], "stages": [{"prune": "magnitude"}]},
            },
            "views": ["test", f"canonical/fog/2={folder}", f"canonical/cifar10_1={folder}"],
            "measures": ["accuracy", "prune_potential"],
        }
    )
    assert run(study, store=tmp_path / "store", on="inline").complete
    table = results(study, store=tmp_path / "store")
    assert set(table.view.dropna()) >= {"test", "canonical/fog/2", "canonical/cifar10_1/v6"}
    assert {"canonical/fog/2", "test distribution"} <= set(table[table.quantity.isin(["potential", "mean"])].item)


def test_truncated_files_are_refused(folder):
    whole = (folder / "fog.npy").read_bytes()
    (folder / "fog.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PrunescopeError, match=r"truncated.*fog\.npy|fog\.npy: truncated"):
        Cifar10C(path=str(folder), corruption="fog").load()


def test_files_with_missing_blocks_or_another_form_are_refused(folder):
    images = np.load(folder / "fog.npy")
    for wrong, told in ((images[: 3 * N], "one for each label"), (images.astype(np.float32), "uint8")):
        np.save(folder / "fog.npy", wrong)
        with pytest.raises(PrunescopeError, match=told):
            Cifar10C(path=str(folder), corruption="fog").load()
    np.save(folder / "fog.npy", images[:-1])
    np.save(folder / "labels.npy", np.load(folder / "labels.npy")[:-1])
    with pytest.raises(PrunescopeError, match="five equal blocks"):
        Cifar10C(path=str(folder), corruption="fog").load()


@pytest.mark.parametrize("text", ["canonical/fog/3", "canonical/fog/6={}", "canonical/fogg/3={}", "canonical/x*/3={}"])
def test_views_that_cannot_be_are_refused(text, folder):
    with pytest.raises(PrunescopeError):
        [view.canonical() for view in parse_views([text.format(folder)])]


def test_published_files_take_no_further_shift(folder):
    with pytest.raises(PrunescopeError, match="as they are"):
        View.parse({"files": {"cifar10_c": {"path": str(folder), "corruption": "fog"}}, "shift": {"fog": 3}})
