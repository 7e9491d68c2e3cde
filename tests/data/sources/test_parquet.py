import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.data.sources.parquet import Split, find_columns, find_parquet, open_split


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root):
    return {split: [str(f.relative_to(root)) for f in files] for split, files in find_parquet(root).items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"], {"train": 1, "test": 1}),
        (["a/b/train-00000-of-00002.parquet", "a/b/train-00001-of-00002.parquet"], {"train": 2}),
        (["train-00000-of-00001-0a1b2c3d.parquet", "val.parquet"], {"train": 1, "validation": 1}),
        (["default/train/0000.parquet", "default/test/0000.parquet"], {"train": 1, "test": 1}),
        (["Training.parquet", "dev.parquet", "cifar_test.parquet"], {"train": 1, "validation": 1, "test": 1}),
        (["train.parquet", "extra-00000-of-00001.parquet", ".cache/test.parquet", "test.csv"], {"train": 1}),
    ],
)
def test_splits_are_told_by_files_or_folders_at_any_depth(tmp_path, names, expected):
    touch(tmp_path, *names)
    assert {split: len(files) for split, files in find_parquet(tmp_path).items()} == expected


def test_parts_come_in_their_order(tmp_path):
    touch(tmp_path, *(f"train-0000{i}-of-00003.parquet" for i in (2, 0, 1)))
    assert found(tmp_path) == {"train": [f"train-0000{i}-of-00003.parquet" for i in range(3)]}


def test_a_folder_above_the_one_given_tells_nothing(tmp_path):
    touch(tmp_path, "test/mine/train.parquet", "test/mine/more/0000.parquet", "test/other/0000.parquet")
    assert found(tmp_path / "test" / "mine") == {"train": ["train.parquet"]}
    with pytest.raises(PrunescopeError, match="no split recognised"):
        find_parquet(tmp_path / "test" / "other")
    assert list(find_parquet(tmp_path / "test" / "mine" / "train.parquet")) == ["train"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "no parquet file"),
        (["my_test/images.parquet"], "no split recognised.*got images.parquet"),
        (["train_test.parquet"], "name tells two splits; got test, train"),
        (["a/train.parquet", "b/train.parquet"], "several data sets have a train split"),
        (["train-00000-of-00002.parquet"], "parts of 'train' are missing; expected all, got 1 of 2 files"),
    ],
)
def test_folders_that_are_no_data_set_are_refused(tmp_path, names, told):
    touch(tmp_path, *names)
    with pytest.raises(PrunescopeError, match=told):
        find_parquet(tmp_path)


def test_a_split_reads_its_files_one_after_another(tmp_path):
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for number, file in enumerate(files):
        pq.write_table(pa.table({"x": [number, number], "y": ["p", "q"]}), file)
    assert open_split(files).read(["x"]).to_pydict() == {"x": [0, 0, 1, 1]}


def test_files_that_cannot_be_read_are_refused(tmp_path):
    good, other = tmp_path / "good.parquet", tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": np.arange(5000)}), good)
    pq.write_table(pa.table({"x": np.arange(5000.0)}), other)
    whole = good.read_bytes()
    for name, content in (("truncated", whole[:-20]), ("foreign", b"hello"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PrunescopeError, match=f"{name}: not a readable parquet file"):
            open_split([tmp_path / name])
    with pytest.raises(PrunescopeError, match=r"other\.parquet: columns differ"):
        open_split([good, other])
    damaged = bytearray(whole)
    damaged[4:600] = bytes(596)
    good.write_bytes(bytes(damaged))
    with pytest.raises(PrunescopeError, match=r"good\.parquet: not a readable parquet file"):
        open_split([good]).read(["x"])


IMAGE, CLASSES, NUMBER = datasets.Image(), datasets.ClassLabel(names=["a", "b"]), datasets.Value("int32")


def columns(features, image=None, label=None):
    split = Split(features=datasets.Features(features), read=lambda _: None, where="here")
    return find_columns(split, image, label)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"img": IMAGE, "label": CLASSES}, ("img", "label")),
        ({"pic": IMAGE, "kind": NUMBER, "caption": datasets.Value("string")}, ("pic", "kind")),
        ({"image": IMAGE, "id": NUMBER, "kind": CLASSES}, ("image", "kind")),
        ({"image": IMAGE, "mask": IMAGE, "label": CLASSES, "coarse": CLASSES}, ("image", "label")),
        ({"data": datasets.Value("binary"), "y": NUMBER}, ("data", "y")),
        ({"data": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}, "y": NUMBER}, ("data", "y")),
    ],
)
def test_columns_are_found_from_their_features(features, expected):
    assert columns(features) == expected


def test_columns_can_be_named():
    both = {"left": IMAGE, "right": IMAGE, "fine": CLASSES, "coarse": CLASSES, "id": NUMBER}
    assert columns(both, image="right", label="coarse") == ("right", "coarse")
    assert columns(both, image="left", label="id") == ("left", "id")


@pytest.mark.parametrize(
    ("features", "options", "told"),
    [
        ({"text": datasets.Value("string"), "label": CLASSES}, {}, "no image column found.*none among text, label"),
        ({"image": IMAGE, "label": datasets.Value("float32")}, {}, "no label column found.*none among image, label"),
        ({"image": IMAGE, "fine": CLASSES, "coarse": CLASSES}, {}, "got fine, coarse.*option 'label'"),
        ({"image": IMAGE, "label": CLASSES}, {"image": "imgae"}, "here: unknown image column 'imgae'.*'image'"),
        ({"image": IMAGE, "label": CLASSES}, {"image": "label"}, "unknown image column 'label'"),
        ({"image": IMAGE, "label": CLASSES}, {"label": "image"}, "unknown label column 'image'"),
    ],
)
def test_columns_that_are_not_there_are_refused(features, options, told):
    with pytest.raises(PrunescopeError, match=told):
        columns(features, **options)


def test_a_small_file_may_not_claim_billions_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.core.expansion.MOST_BYTES", 1000)
    pq.write_table(pa.table({"label": np.zeros(100_000, np.int64)}), tmp_path / "test.parquet")
    with pytest.raises(PrunescopeError, match=r"test\.parquet: unpacks to too much"):
        open_split([tmp_path / "test.parquet"]).read(["label"])
