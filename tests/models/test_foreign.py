import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, Foreign, build, load_factory

HERE = Path(__file__).with_name("foreign_networks.py")
SHAPE = (1, 4, 4)


def foreign(name, shape=SHAPE, classes=5, seed=0):
    return build(Foreign(reference=f"{HERE}:{name}"), shape, classes, seed)


def test_a_factory_gets_what_it_names_and_nothing_else():
    assert foreign("small")[3].out_features == 5
    assert foreign("fixed", (3, 4, 4))[1].out_features == 5
    assert foreign("for_colour", (2, 9, 9), classes=7)[0].in_channels == 2
    assert isinstance(foreign("Own").linear, nn.Linear)


def test_the_check_of_its_output_leaves_the_network_as_the_factory_made_it():
    net = foreign("Own")
    assert net.training and int(net.norm.num_batches_tracked) == 0
    assert not net._forward_hooks and not net.linear._forward_hooks


def test_a_module_reference_is_imported():
    assert load_factory("torch.nn:Linear") is nn.Linear
    assert callable(load_factory("prunescope.models:build"))


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "layers_of_mine.py").write_text("WIDTH = 7\n")
    (tmp_path / "net.py").write_text(
        "from layers_of_mine import WIDTH\nfrom torch import nn\ndef make(classes): return nn.Sequential(nn.Flatten(),"
        " nn.Linear(16, WIDTH), nn.Linear(WIDTH, classes))\n"
    )
    before = list(sys.path)
    assert build(Foreign(reference=f"{tmp_path / 'net.py'}:make"), SHAPE, 3, 0)[1].out_features == 7
    assert sys.path == before
    del sys.modules["layers_of_mine"]


def test_a_changed_file_is_another_network_and_an_old_digest_is_refused(tmp_path):
    path = Path(shutil.copy(HERE, tmp_path / "net.py"))
    before = Foreign(reference=f"{path}:fixed")
    path.write_text(path.read_text().replace("nn.Linear(48, 5)", "nn.Linear(48, 4), nn.Linear(4, 5)"))
    after = Foreign(reference=f"{path}:fixed")
    assert before.spec() != after.spec()
    assert len(build(after, (3, 4, 4), 5, 0)) == 3
    with pytest.raises(PrunescopeError, match="file has changed"):
        MODELS.build(before.spec())
    assert MODELS.build(after.spec(complete=True)) == after


def test_a_study_file_names_it_and_runs_it(tmp_path):
    from prunescope.study.run import run

    half = {"from": "dense", "stages": [{"prune": {"criterion": "magnitude", "sparsity": 0.5}}]}
    recipes = {"dense": [{"train": {"until": "1ep"}}], "half": half}
    study = {"name": "own", "data": "digits", "model": {"foreign": f"{HERE}:small"}, "seeds": 1, "recipes": recipes}
    assert run({**study, "measures": ["accuracy"]}, store=tmp_path / "store", on="inline").complete


class FakeLibrary:
    """What is used of timm and of torchvision.models."""

    @staticmethod
    def list_models():
        return ["tiny_net"]

    @staticmethod
    def create_model(name, *, pretrained, num_classes, in_chans):
        assert name == "tiny_net" and pretrained is False
        return nn.Sequential(nn.Flatten(), nn.Linear(16 * in_chans, num_classes))

    @staticmethod
    def get_model(name, *, weights, num_classes):
        assert name == "tiny_net" and weights is None
        return nn.Sequential(nn.Flatten(), nn.Linear(48, num_classes))


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_library_is_used_when_it_is_installed(library, monkeypatch):
    fake = type("library", (), {"models": FakeLibrary}) if library == "torchvision" else FakeLibrary
    monkeypatch.setitem(sys.modules, library, fake)
    assert build(Foreign(reference=f"{library}:tiny_net"), (3, 4, 4), 6, 0)[1].out_features == 6
    with pytest.raises(PrunescopeError, match=f"no such model in {library}.*Nearest: tiny_net"):
        MODELS.build({"foreign": f"{library}:tiny_nett"})


class FakeTransformers:
    """What is used of transformers: a classifier that returns an object with logits."""

    class AutoConfig:
        @staticmethod
        def from_pretrained(folder, *, local_files_only):
            assert local_files_only
            return json.loads((Path(folder) / "config.json").read_text())

    class AutoModelForImageClassification:
        @staticmethod
        def from_config(config):
            class Classifier(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.classifier = nn.Linear(48, config["num_labels"])

                def forward(self, pixel_values):
                    return SimpleNamespace(loss=None, logits=self.classifier(pixel_values.flatten(1)))

            return Classifier()


def test_a_folder_of_transformers_gives_a_classifier_of_logits(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", FakeTransformers)
    (tmp_path / "config.json").write_text('{"num_labels": 6}')
    model = Foreign(reference=f"transformers:{tmp_path}")
    net = build(model, (3, 4, 4), 6, 0)
    assert net(torch.zeros(2, 3, 4, 4)).shape == (2, 6) and next(iter(net.state_dict())) == "classifier.weight"
    (tmp_path / "config.json").write_text('{"num_labels": 7}')
    assert Foreign(reference=f"transformers:{tmp_path}").digest != model.digest
    with pytest.raises(PrunescopeError, match=r"expected a folder with config\.json"):
        MODELS.build({"foreign": f"transformers:{tmp_path}/nowhere"})


@pytest.mark.parametrize(
    ("library", "remedy"), [("timm", r"prunescope\[timm\]"), ("torchvision", "install torchvision")]
)
def test_a_library_that_is_not_installed_is_told_with_what_to_install(library, remedy, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PrunescopeError, match=f"{library} is not installed.*{remedy}"):
        load_factory(f"{library}:resnet18")


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("resnet18", "not a reference"),
        ("net.py:", "not a reference"),
        ("nowhere.py:small", "no such file"),
        ("no_such_package.models:small", "cannot be imported.*ModuleNotFoundError"),
        ("torch.nn:Lineal", "did you mean 'Linear'"),
        (f"{HERE}:number", "expected a function or class, got int"),
    ],
)
def test_references_that_lead_nowhere_are_refused_when_they_are_read(reference, told):
    with pytest.raises(PrunescopeError, match=told):
        MODELS.build({"foreign": reference})


@pytest.mark.parametrize("code", ["raise KeyError('x')", "import sys; sys.exit(3)", "def (:"])
def test_a_file_that_fails_is_refused_and_leaves_nothing_behind(code, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(code)
    before = set(sys.modules)
    with pytest.raises(PrunescopeError, match="cannot be imported"):
        load_factory(f"{path}:small")
    assert not [name for name in set(sys.modules) - before if name.startswith("prunescope_foreign")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("raises", "the factory failed; got RuntimeError: no weights here"),
        ("demands", "the factory failed; got TypeError.*depth"),
        ("returns_weights", "expected a module, got dict"),
        ("returns_a_map", r"expected \[n, 5\], got \[2, 4, 4, 4\]"),
        ("returns_a_pair", "does not return logits; expected a tensor, got tuple"),
        ("fixed", r"cannot take 1×4×4 images; got RuntimeError"),
    ],
)
def test_factories_that_make_no_classifier_are_refused_and_named(name, told):
    with pytest.raises(PrunescopeError, match=told) as caught:
        foreign(name)
    assert str(caught.value).startswith(f"{HERE}:{name}")


def test_another_number_of_classes_is_refused():
    with pytest.raises(PrunescopeError, match=r"expected \[n, 6\], got \[2, 5\]"):
        foreign("fixed", (3, 4, 4), classes=6)


def test_a_type_that_is_no_reference_is_refused():
    with pytest.raises(PrunescopeError, match="foreign"):
        MODELS.build({"foreign": 3})
    with pytest.raises(PrunescopeError, match="foreign"):
        MODELS.build("foreign")


def test_the_seed_decides_what_torch_draws_in_the_factory():
    first, again, other = foreign("small"), foreign("small"), foreign("small", seed=1)
    assert torch.equal(first[0].weight, again[0].weight) and not torch.equal(first[0].weight, other[0].weight)
