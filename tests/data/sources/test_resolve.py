import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Arrays, Cifar10, Digits, Folder, Hub, Mnist, resolve_source


def test_registered_names_and_names_on_the_hub():
    assert resolve_source("digits") == Digits()
    assert resolve_source("cifar10") == Cifar10()
    assert resolve_source("owner/name") == Hub(name="owner/name")


def test_paths_by_what_they_are(tmp_path):
    (tmp_path / "train.parquet").touch()
    assert resolve_source(str(tmp_path)) == Hub(name=str(tmp_path))
    assert resolve_source(str(tmp_path / "train.parquet")) == Hub(name=str(tmp_path / "train.parquet"))
    assert resolve_source(str(tmp_path / "x.npz")) == Arrays(path=str(tmp_path / "x.npz"))
    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "cat" / "1.PNG").touch()
    assert resolve_source(str(tmp_path / "images")) == Folder(path=str(tmp_path / "images"))


def test_a_registered_name_with_its_folder(tmp_path):
    assert resolve_source(f"mnist={tmp_path}") == Mnist(path=str(tmp_path))
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert resolve_source(str(odd)) == Hub(name=str(odd))


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (
            "digit",
            "unknown data set 'digit'.*'digits'.*Known: arrays, cifar10, .*digits, folder, hub, mnist",
        ),
        ("", "unknown data set ''"),
        ("minst=x", "unknown name in datasets: 'minst'.*'mnist'"),
        ("digits=x", "unknown field 'path'"),
        ("hub", "hub: name: Field required"),
        ("mnist=", "unknown data set 'mnist='.*'mnist'"),
    ],
)
def test_what_names_no_source_is_refused_with_the_nearest(reference, told):
    with pytest.raises(PrunescopeError, match=told):
        resolve_source(reference)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "images.csv").touch()
    with pytest.raises(PrunescopeError, match=r"not a data file.*got .*images\.csv"):
        resolve_source(str(tmp_path / "images.csv"))


@pytest.mark.parametrize("name", SOURCES.names())
def test_every_source_explains_itself(name):
    source = SOURCES.get(name)
    assert source.__doc__ and "\n" in source.__doc__


def test_a_text_too_long_to_be_a_path_is_an_unknown_name():
    with pytest.raises(PrunescopeError, match="unknown data set"):
        resolve_source("1" * 400)
