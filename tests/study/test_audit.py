import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

import prunescope as ps
from prunescope.core.errors import PrunescopeError
from prunescope.data import Digits
from prunescope.measures import MEASURES
from prunescope.models.checkpoint import TrustWarning
from prunescope.study.networks import by_name

FACTORY = """
from torch import nn


class Reader(nn.Module):
    def __init__(self, width=24, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width * 16, classes)

    def forward(self, x):
        x = nn.functional.relu(self.norm(self.conv(x)))
        return self.fc(nn.functional.max_pool2d(x, 2).flatten(1))


def make(classes):
    return Reader(classes=classes)


def narrow(classes):
    return Reader(width=12, classes=classes)
"""
TEST = Digits().load()["test"]
FEW = ("accuracy",)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    (folder / "net.py").write_text(FACTORY)
    return folder


@pytest.fixture(scope="module")
def model(home):
    return f"{home / 'net.py'}:make"


def trained(model, seed=0):
    """Return a reader of digits: random filters under a last layer fitted by least squares."""
    from prunescope.models import load_factory

    torch.manual_seed(seed)
    net = load_factory(model)(10).eval()
    train = Digits().load()["train"]
    with torch.no_grad():
        hidden = nn.functional.max_pool2d(nn.functional.relu(net.norm(net.conv(train.images / 255))), 2).flatten(1)
        target = 2.0 * nn.functional.one_hot(train.labels, 10).float() - 1
        gram = hidden.T @ hidden + 10 * torch.eye(hidden.shape[1])
        net.fc.weight.copy_(torch.linalg.solve(gram, hidden.T @ target).T + 1e-3 * torch.randn(10, hidden.shape[1]))
        net.fc.bias.zero_()
    return net


@pytest.fixture(scope="module")
def dense(model):
    return trained(model)


def sparse(net, amount, *, kept_hooks=True):
    """Return a copy of the network pruned by torch.nn.utils.prune."""
    pruned = copy.deepcopy(net)
    layers = [(m, "weight") for m in pruned.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=amount)
    for layer, name in layers if not kept_hooks else ():
        prune.remove(layer, name)
    return pruned.eval()


@pytest.fixture(scope="module")
def files(home, dense):
    """Write the dense network and two pruned ones."""
    torch.save(dense.state_dict(), home / "dense.pt")
    for share in (50, 90):
        torch.save({"state_dict": sparse(dense, share / 100).state_dict()}, home / f"p{share}.pth")
    return home


def by_hand(dense, pruned):
    """Return accuracy, flips, lost and won as one would write them in ten lines."""
    with torch.no_grad():
        before = dense(TEST.images / 255).argmax(1)
        after = pruned(TEST.images / 255).argmax(1)
    right_before, right_after = before == TEST.labels, after == TEST.labels
    return {
        "accuracy": right_after.float().mean().item(),
        "flips": (before != after).sum().item(),
        "lost": (right_before & ~right_after).sum().item(),
        "won": (~right_before & right_after).sum().item(),
    }


def found(audit, net):
    rows = audit.table[audit.table["net"] == net]
    assert rows["measure"].is_unique
    return dict(zip(rows["measure"], rows["value"], strict=True))


def matches(audit, net, expected):
    numbers = found(audit, net)
    return {name: pytest.approx(numbers[name]) for name in expected} == expected


def test_modules_in_memory_are_measured_as_by_hand_and_left_alone(dense):
    pruned = sparse(dense, 0.9)
    before = {name: tensor.clone() for name, tensor in pruned.state_dict().items()}
    audit = ps.audit(dense.train(), pruned, (TEST.images / 255, TEST.labels), measures=FEW)
    assert dense.training and pruned.conv._forward_pre_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in pruned.state_dict().items())
    numbers = by_hand(dense.eval(), pruned)
    assert numbers["lost"] > 10 and matches(audit, "pruned", numbers)
    assert matches(audit, "dense", by_hand(dense, dense)) and numbers["accuracy"] < found(audit, "dense")["accuracy"]
    assert found(audit, "pruned")["sparsity"] == pytest.approx(0.9, abs=1e-3)
    assert found(audit, "pruned")["multiply_adds"] < found(audit, "dense")["multiply_adds"]
    assert not audit.verdict.kept and "breaks a promise" in str(audit)


def test_every_form_of_data_in_memory_gives_the_same(dense):
    pruned, images = sparse(dense, 0.9), TEST.images / 255
    expected = by_hand(dense, pruned)
    for data in (
        "digits",
        (images.numpy(), TEST.labels.numpy()),
        TensorDataset(images, TEST.labels),
        DataLoader(TensorDataset(images, TEST.labels), batch_size=100),
    ):
        assert matches(ps.audit(dense, pruned, data, measures=FEW), "pruned", expected)


def test_a_normalisation_is_applied_to_images_in_the_unit_interval(dense):
    class Normalised(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x * 0.3 + 0.1)

    pruned = sparse(dense, 0.9)
    audit = ps.audit(Normalised(dense), Normalised(pruned), "digits", mean=[0.1], std=[0.3], measures=FEW)
    assert matches(audit, "pruned", by_hand(dense, pruned))


def test_several_pruned_networks_are_named_and_make_a_curve(dense):
    audit = ps.audit(dense, {"much": sparse(dense, 0.9), "some": sparse(dense, 0.5)}, "digits", measures=FEW)
    assert list(audit.table["net"].unique()) == ["dense", "some", "much"]
    assert [cell.level for cell in audit.verdict["pruned"].cells] == ["some", "much"]
    listed = ps.audit(dense, [sparse(dense, 0.5), sparse(dense, 0.5)], "digits", measures=FEW)
    assert set(listed.table["net"]) == {"dense", "pruned 1", "pruned 2"}
    assert [recipe.recipe for recipe in listed.verdict.recipes] == ["pruned 1", "pruned 2"]


def test_several_dense_seeds_are_a_population(model):
    seeds = [trained(model, seed) for seed in (0, 1, 2)]
    audit = ps.audit(seeds, {"p80": [sparse(net, 0.8) for net in seeds]}, "digits", measures=["pie"])
    expected = [by_hand(net, sparse(net, 0.8)) for net in seeds]
    assert matches(audit, "p80", {name: np.mean([e[name] for e in expected]) for name in expected[0]})
    rows = audit.results[(audit.results["measure"] == "pie") & (audit.results["level"] == "p80")]
    assert rows["floor"].notna().any()
    with pytest.raises(PrunescopeError, match="a multiple of 3, as many for each dense network, got 1"):
        ps.audit(seeds, sparse(seeds[0], 0.5), "digits")
    with pytest.raises(PrunescopeError, match=r"p80: pruned networks must pair up.*expected 3.*got 2"):
        ps.audit(seeds, {"p80": seeds[:2]}, "digits")


def test_channels_that_are_gone_are_counted_and_layers_compared(dense, model, home, files):
    kept = torch.arange(0, 24, 2)
    narrow = {name: tensor[kept] if name[:4] in ("conv", "norm") and tensor.ndim else tensor
              for name, tensor in dense.state_dict().items()}  # fmt: skip
    narrow["fc.weight"] = dense.fc.weight.detach().view(10, 24, 16)[:, kept].flatten(1)
    torch.save(narrow, home / "narrow.pt")
    from prunescope.models import load_factory

    module = load_factory(model.replace("make", "narrow"))(10).eval()
    module.load_state_dict(narrow)
    expected = by_hand(dense, module)
    own = f"{home / 'narrow.pt'}={home / 'net.py'}:narrow"
    for pruned in (module, str(home / "narrow.pt"), own):
        options = {} if pruned is module else {"model": model, "store": home / "store-narrow"}
        reference = dense if pruned is module else home / "dense.pt"
        audit = ps.audit(reference, {"narrow": pruned}, "digits", measures=["cka"], **options)
        assert matches(audit, "narrow", expected)
        assert found(audit, "narrow")["sparsity"] == pytest.approx(0.5)
        assert {"cka.similarity/conv", "cka.similarity/fc"} <= set(found(audit, "narrow"))


@pytest.mark.parametrize("form", ["pt", "half", "zeros", "safetensors", "pickle", "wrapped"])
def test_every_form_of_file_gives_the_same_numbers(form, dense, model, home, files):
    pruned, options, path = sparse(dense, 0.5), {}, home / f"{form}.{'safetensors' if form == 'safetensors' else 'pt'}"
    plain = sparse(dense, 0.5, kept_hooks=False)
    if form == "pickle":
        torch.save({"model": plain}, path)
        options["trust"] = True
    elif form == "safetensors":
        save_file({name: tensor.contiguous() for name, tensor in pruned.state_dict().items()}, path)
    else:
        held = (plain if form == "zeros" else pruned).state_dict()
        held = {name: tensor.half() if form == "half" else tensor for name, tensor in held.items()}
        torch.save({f"module._orig_mod.{n}": t for n, t in held.items()} if form == "wrapped" else held, path)

    def run():
        return ps.audit(home / "dense.pt", path, "digits", model=model, measures=FEW, store=home / "store", **options)

    if form == "pickle":
        with pytest.warns(TrustWarning):
            audit = run()
    else:
        audit = run()
    expected = by_hand(dense, pruned)
    if form == "half":
        assert found(audit, "half")["accuracy"] == pytest.approx(expected["accuracy"], abs=0.01)
    else:
        assert matches(audit, form, expected)
    assert found(audit, form)["sparsity"] == pytest.approx(0.5, abs=1e-3)
    assert any(note.startswith(f"{form}: no mask was recorded") for note in audit.notes) == (
        form in ("zeros", "pickle")
    )
    assert any("float16" in note for note in audit.notes) == (form == "half")
    assert any("trust" in note for note in audit.notes) == (form == "pickle")


def test_an_onnx_file_is_compared_with_a_torch_one(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests.models.onnx_files import write_linear

    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    weight = net[1].weight.detach().clone()
    weight[weight.abs() <= weight.abs().median()] = 0
    pruned = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    pruned.load_state_dict({"1.weight": weight, "1.bias": net[1].bias.detach()})
    write_linear(tmp_path / "pruned.onnx", weight.numpy(), net[1].bias.detach().numpy(), (1, 8, 8))
    write_linear(tmp_path / "dense.onnx", net[1].weight.detach().numpy(), net[1].bias.detach().numpy(), (1, 8, 8))
    expected = by_hand(net, pruned)
    for reference in (net, tmp_path / "dense.onnx"):
        audit = ps.audit(reference, tmp_path / "pruned.onnx", "digits", measures=["cka"], store=tmp_path / "store")
        assert audit.summary.complete and matches(audit, "pruned", expected)
        assert found(audit, "pruned")["sparsity"] == pytest.approx(0.5)
    cka = audit.results[(audit.results["measure"] == "cka") & (audit.results["level"] == "pruned")]
    assert list(cka["status"]) == ["not applicable"]


class Output:
    def __init__(self, logits):
        self.logits = logits


class Classifier(nn.Module):
    """A module tree as transformers has them: named parts inside parts, an object with logits as output."""

    def __init__(self, net):
        super().__init__()
        self.backbone = nn.ModuleDict({"embedder": nn.Sequential(net.conv, net.norm)})
        self.classifier = net.fc

    def forward(self, pixel_values):
        hidden = nn.functional.relu(self.backbone["embedder"](pixel_values))
        return Output(self.classifier(nn.functional.max_pool2d(hidden, 2).flatten(1)))


class Images(nn.Module):
    """A module tree as timm has them: a feature extractor, a pooling layer, and a head behind a method."""

    def __init__(self, net):
        super().__init__()
        self.stem = nn.Sequential(net.conv, net.norm, nn.ReLU())
        self.global_pool = nn.MaxPool2d(2)
        self.head = nn.Sequential(nn.Flatten(), net.fc)

    def forward_features(self, x):
        return self.stem(x)

    def forward(self, x):
        return self.head(self.global_pool(self.forward_features(x)))


@pytest.mark.parametrize("tree", [Classifier, Images])
def test_module_trees_of_other_libraries_are_measured_by_layer(tree, dense):
    pruned = sparse(dense, 0.9, kept_hooks=False)
    audit = ps.audit(tree(dense), tree(pruned), (TEST.images / 255, TEST.labels), measures=["cka"])
    assert matches(audit, "pruned", by_hand(dense, pruned))
    assert sum(name.startswith("cka.similarity/") for name in found(audit, "pruned")) == 2
    assert audit.summary.complete


def test_a_second_audit_with_one_more_file_computes_the_new_one_alone(model, home, files, tmp_path):
    def run(*names):
        kinds = []
        audit = ps.audit(
            home / "dense.pt", [home / name for name in names], "digits", model=model, measures=FEW,
            store=tmp_path / "store", listen=lambda event, total: kinds.append((event.what, event.node.kind)),
        )  # fmt: skip
        return audit, [kind for what, kind in kinds if what == "done"]

    first, kinds = run("p50.pth")
    assert kinds.count("logits") == 2
    again, kinds = run("p50.pth")
    assert kinds == [] and again.table.equals(first.table)
    more, kinds = run("p50.pth", "p90.pth")
    assert kinds.count("logits") == 1 and kinds.count("measure") == 3
    assert found(more, "p50") == found(first, "p50")


def test_a_moved_file_is_known_and_a_changed_one_is_new(model, home, files, tmp_path, dense):
    def done(path):
        store = tmp_path / "store"
        return ps.audit(home / "dense.pt", path, "digits", model=model, measures=FEW, store=store).summary.done

    assert done(home / "p50.pth") > 0
    moved = tmp_path / "elsewhere.pt"
    moved.write_bytes((home / "p50.pth").read_bytes())
    assert done(moved) == 0
    torch.save(sparse(dense, 0.51).state_dict(), moved)
    assert done(moved) > 0


def test_modules_in_memory_leave_nothing_behind(dense, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ps.audit(dense, sparse(dense, 0.5), "digits", measures=FEW)
    assert list(tmp_path.iterdir()) == []


def test_budget_decides_and_what_it_speaks_of_is_measured(dense, tmp_path):
    budget = {
        "accuracy": {"drop": 100},
        "calibration": {"expected_calibration_error": 1.0},
        "corruption/brightness/*": {"drop": 100},
    }
    (tmp_path / "budget.yaml").write_text(yaml.safe_dump({"budget": budget}))
    for given in (budget, tmp_path / "budget.yaml"):
        audit = ps.audit(dense, sparse(dense, 0.9), "digits", measures=[], budget=given, limit=100)
        assert audit.verdict.kept and "keeps every promise" in str(audit)
        assert "accuracy@corruption/brightness/3" in found(audit, "pruned")
        assert not any("fog" in name for name in found(audit, "pruned"))
        assert set(audit.table[audit.table["measure"] == "accuracy"]["n"]) == {100}
    strict = ps.audit(dense, sparse(dense, 0.9), "digits", measures=[], budget={"accuracy": {"drop": 0.1}})
    assert not strict.verdict.kept


def test_corruptions_that_grey_images_cannot_have_are_left_out_and_told(dense):
    audit = ps.audit(dense, sparse(dense, 0.5), "digits", measures=["corruptions"], limit=20)
    views = {name.partition("@")[2] for name in found(audit, "pruned") if "@" in name}
    assert len(views) >= 15 and audit.summary.complete
    assert any("saturate" in note for note in audit.notes)


def test_what_is_written_is_page_table_and_verdict(dense, tmp_path):
    audit = ps.audit(dense, {"<b>p50</b>": sparse(dense, 0.5)}, "digits", measures=FEW)
    page = audit.write(tmp_path / "out")
    assert page == tmp_path / "out" / "report.html" and "<b>p50</b>" not in page.read_text()
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(table.columns) == ["net", "measure", "value", "n", "low", "high"] and len(table) == len(audit.table)
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["kept"] == audit.verdict.kept and verdict["sentence"] == str(audit) and verdict["default_budget"]
    assert "&lt;b&gt;p50" in audit._repr_html_() and "accuracy" in audit._repr_html_()


def test_every_measure_of_networks_measures_or_says_why(dense):
    names = [name for name in MEASURES.names() if MEASURES.get(name).card.scope != "recipes" and name != "umap"]
    pruned = {"p90": sparse(dense, 0.9), "p50": sparse(dense, 0.5)}
    audit = ps.audit(dense, pruned, "digits", measures=names, limit=60)
    assert audit.summary.complete and set(audit.results["measure"]) == set(names)
    unmeasured = audit.results[audit.results["status"] != "measured"]
    assert unmeasured["reason"].all()
    expected = {"accuracy", "calibration", "cka", "latency", "prune_potential", "noise_similarity", "prediction_depth"}
    assert not (expected | {"q_score", "excess_error", "informative_pixels"}) & set(unmeasured["measure"])


def test_networks_whose_weights_cannot_be_counted_are_measured_by_their_outputs():
    torch.manual_seed(0)
    tied = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 10)).eval()
    tied[3].weight = tied[1].weight
    with torch.no_grad():
        images = TEST.images / 255
        expected = (tied(images).argmax(1) == TEST.labels).float().mean().item()
    audit = ps.audit(tied, tied, (images, TEST.labels), measures=["cka"])
    assert audit.summary.complete and found(audit, "pruned")["accuracy"] == pytest.approx(expected)
    assert "sparsity" not in found(audit, "pruned") and found(audit, "pruned")["cka.mean"] == pytest.approx(1)
    assert any("two layers share one weight" in note for note in audit.notes)


def test_training_images_come_from_the_source_or_from_memory(dense):
    few = Digits().load()["train"].take(torch.arange(200))
    splits = {"test": (TEST.images[:50], TEST.labels[:50]), "train": (few.images, few.labels)}
    audit = ps.audit(dense, sparse(dense, 0.9), splits, measures=["prediction_depth"])
    assert audit.summary.complete and any(name.startswith("prediction_depth.") for name in found(audit, "pruned"))
    with pytest.raises(PrunescopeError, match="unknown split 'train'"):
        ps.audit(dense, sparse(dense, 0.9), splits["test"], measures=["prediction_depth"])


SEEN = []


class Watched(nn.Module):
    """Notes how many images it is shown at once."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        SEEN.append(len(x))
        return self.net(x)


def test_images_go_through_once_in_batches_and_the_share_is_told(dense):
    SEEN.clear()
    shares, images = [], TEST.images.repeat(2, 1, 1, 1)
    ps.audit(
        Watched(dense), Watched(sparse(dense, 0.5)), (images, TEST.labels.repeat(2)), measures=FEW,
        listen=lambda event, total: shares.append(event.share) if event.what == "running" else None,
    )  # fmt: skip
    assert max(SEEN) <= 128 and 2 * len(images) <= sum(SEEN) <= 2 * len(images) + 20
    assert len(shares) == 2 * -(-len(images) // 128) and 0 < max(shares) < 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"measures": ["overlap"]}, "compares the recipes of a study; got overlap"),
        ({"data": "digitz"}, "unknown data set 'digitz'"),
        ({"measures": ["acuracy"]}, "unknown measure 'acuracy'.*'accuracy'"),
        ({"budget": {"accuracy": {"dropp": 1}}}, "dropp"),
        ({"budget": {"corruption/fogg/*": {"drop": 1}}}, "unknown view 'corruption/fogg/.*corruption/fog/3"),
        ({"mean": [0.5]}, "mean without std"),
        ({"mean": [0.5], "std": [0.0]}, "std"),
        ({"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}, "do not fit the normalisation"),
        ({"limit": 0}, "too few images"),
        ({"resize": 0}, "side ≥ 1"),
        ({"resize": 12}, "cannot take 1×12×12 images"),
        ({"classes": ["a", "b"]}, "class names do not fit"),
        ({"classes": list("abcdefghijkl")}, r"expected \[n, 12\], got \[2, 10\]"),
        ({"device": "tpu"}, "unknown device"),
        ({"dense": [], "pruned": []}, "at least one dense"),
        ({"pruned": 3}, "not a network; expected a module or a file, got int"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(changes, told, dense):
    given = {"dense": dense, "pruned": sparse(dense, 0.5), "data": "digits", "measures": FEW} | changes
    with pytest.raises(PrunescopeError, match=told):
        ps.audit(**given)


def test_a_pruned_network_that_is_larger_is_refused(dense):
    with pytest.raises(PrunescopeError, match=r"pruned: the pruned network is larger.*wrong way round"):
        ps.audit(trained_narrow(), dense, "digits")


def trained_narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_names_of_networks_are_those_of_their_files():
    paths = ["a/net.pt", "b/net.pt"]
    assert list(by_name("dense.pt", paths)[1]) == ["a/net", "b/net"]
    assert list(by_name("dense.pt", ["x/p50.pt", "x/p90.onnx"])[1]) == ["p50", "p90"]
    assert list(by_name("dense.pt", ["p50.pt=net.py:make"])[1]) == ["p50"]
    assert list(by_name("dense.pt", "dense.pt")[1]) == ["pruned dense"]
    assert by_name(["a", "b"], ["p-0", "p-1", "q-0", "q-1"])[1] == {"p-0": ["p-0", "p-1"], "q-0": ["q-0", "q-1"]}
