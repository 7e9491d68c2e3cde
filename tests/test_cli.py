import io
import json
import sys

import pytest
import yaml
from safetensors.torch import load_file

import prunescope as ps
from prunescope.cli import main
from tests.study.test_plan import raw

FAMILIES = ["criteria", "measures", "models", "datasets", "shifts", "objectives", "studies"]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def calling(*arguments):
        monkeypatch.setattr(sys, "argv", ["prunescope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return calling


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "little.yaml").write_text(yaml.safe_dump(raw()))
    ps.run(folder / "little.yaml", store=folder / "store", on="inline")
    return folder


def options(study):
    return (study / "little.yaml", "--store", study / "store")


@pytest.mark.parametrize("family", FAMILIES)
def test_list_prints_one_bare_name_first_on_each_line(call, family):
    code, out, _ = call("list", family)
    names = [line.split()[0] for line in out.splitlines()]
    assert code == 0
    assert names
    assert names == sorted(names)


@pytest.mark.parametrize("name", ["magnitude", "pie", "resnet20", "cross_entropy", "gaussian_noise", "demo", "train"])
def test_explain_tells_options_and_source(call, name):
    code, out, _ = call("explain", name)
    assert code == 0
    assert out.startswith(name)
    assert len(out.splitlines()) > 2


def test_explain_spells_out_choices_and_tells_inherited_options(call):
    _, out, _ = call("explain", "pfp")
    assert "  count: 'filters' | 'weights' = 'filters'\n" in out
    assert "Inherited attributes:\n    count: what the budget counts" in out
    _, out, _ = call("explain", "train")
    assert "  clip: float | None = None\n" in out
    assert "  augment: tuple[Augmentation, ...] = ()\n" in out
    assert "Inherited" not in out


def test_run_then_results_report_export(call, study, tmp_path):
    code, out, err = call("run", *options(study), "--on", "inline")
    assert (code, out) == (0, "")
    assert "0 done" in err
    code, out, _ = call("results", *options(study), "--format", "csv")
    assert out.splitlines()[0].startswith("study,recipe,level,sparsity")
    _, out, _ = call("results", *options(study), "--format", "json")
    assert {row["measure"] for row in json.loads(out)} == {"accuracy", "compression"}
    _, out, _ = call("results", *options(study))
    assert "magnitude" in out
    code, out, _ = call("report", *options(study), "--out", "page.html", "--figures", "figures")
    assert (code, out.strip()) == (0, "page.html")
    assert (tmp_path / "page.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".svg", ".pdf"}


def test_results_as_parquet_go_to_stdout(study, monkeypatch):
    import pandas as pd

    class Out(io.StringIO):
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Out())
    monkeypatch.setattr(sys, "argv", ["prunescope", "results", *map(str, options(study)), "--format", "parquet"])
    with pytest.raises(SystemExit):
        main()
    assert len(pd.read_parquet(io.BytesIO(Out.buffer.getvalue()))) > 10


def test_export_writes_weights_with_zeros_and_a_mask(call, study, tmp_path):
    export = ("export", *options(study), "--recipe", "magnitude", "--seed", 1, "--sparsity", 0.9)
    code, out, _ = call(*export, "--to", "net.safetensors", "--mask", "mask.safetensors")
    assert (code, out.strip()) == (0, "net.safetensors")
    weights, mask = load_file(tmp_path / "net.safetensors"), ps.Mask.load(tmp_path / "mask.safetensors")
    assert round(mask.sparsity, 2) == 0.9
    assert all(not weights[name][~kept].any() for name, kept in mask.items())
    call(*export, "--to", "net.pt")
    import torch

    held = torch.load(tmp_path / "net.pt", weights_only=True)
    assert all(torch.equal(held["state_dict"][name], weights[name]) for name in weights)
    assert held["prunescope"]["recipe"] == "magnitude"


def test_dry_run_counts_and_writes_nothing(call, study, tmp_path):
    code, out, _ = call("run", study / "little.yaml", "--store", "new", "--dry-run")
    assert code == 0
    assert "to run" in out
    assert not (tmp_path / "new").exists()


def test_doctor_finds_and_repairs_a_flipped_byte(call, tmp_path, study):
    import shutil

    store = shutil.copytree(study / "store", tmp_path / "store")
    assert call("doctor", "--store", store)[0] == 0
    victim = next(store.glob("state/??/*/tensors.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    code, out, _ = call("doctor", "--store", store)
    assert code == 1
    assert victim.parent.name in out
    assert call("doctor", "--store", store, "--repair")[0] == 0
    assert call("doctor", "--store", store)[0] == 0


def test_failed_nodes_give_exit_code_1(call, tmp_path):
    wild = raw(recipes={"dense": [{"train": {"until": "2ep", "optimizer": {"sgd": 1.0e30}}}]})
    (tmp_path / "wild.yaml").write_text(yaml.safe_dump(wild))
    code, _, err = call("run", "wild.yaml", "--on", "inline")
    assert code == 1
    assert "training diverged" in err


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Write a dense and a pruned network of digits."""
    import torch

    from prunescope.models import MODELS, build

    folder = tmp_path_factory.mktemp("checkpoints")
    net = build(MODELS.build("lenet300"), (1, 8, 8), 10, seed=0)
    torch.save(net.state_dict(), folder / "dense.pt")
    torch.save(net, folder / "whole.pt")
    ps.prune(net, "magnitude", sparsity=0.9).apply_(net)
    torch.save({"state_dict": net.state_dict()}, folder / "p90.pt")
    (folder / "kept.yaml").write_text("accuracy: {drop: 100}")
    (folder / "broken.yaml").write_text("agreement: {flips: 0}")
    (folder / "names.txt").write_text("\n".join("abcdefghij"))
    return folder


def audit_of(folder, *pruned, **changes):
    given = {"model": "lenet300", "dense": folder / "dense.pt", "data": "digits", "measures": "accuracy"} | changes
    files = [part for name in pruned or ("p90.pt",) for part in ("--pruned", folder / name)]
    return ["audit", *(part for name, value in given.items() for part in (f"--{name}", value)), *files]


@pytest.mark.parametrize(("budget", "expected"), [("", 0), ("kept.yaml", 0), ("broken.yaml", 1)])
def test_audit_writes_three_files_prints_the_verdict_and_exits_by_the_budget(
    call, checkpoints, tmp_path, budget, expected
):
    promised = {"budget": checkpoints / budget} if budget else {}
    command = audit_of(checkpoints, **promised, classes=checkpoints / "names.txt", limit=100, mean=".5", std="0.5")
    code, out, err = call(*command)
    assert code == expected
    sentence, page = out.splitlines()
    assert sentence.startswith("p90 ")
    assert page == "prunescope-audit/report.html"
    assert sorted(p.name for p in (tmp_path / "prunescope-audit").iterdir()) == [
        "report.html", "results.csv", "verdict.json"
    ]  # fmt: skip
    assert json.loads((tmp_path / "prunescope-audit" / "verdict.json").read_text())["sentence"] == sentence
    assert "no mask was recorded" in err
    if not budget:
        assert "0 done" in call(*command, "--out", "again")[2]


def test_audit_unpickles_modules_with_trust_alone(call, checkpoints):
    code, _, err = call(*audit_of(checkpoints, "whole.pt"))
    assert code == 2
    assert "--trust" in err
    with pytest.warns(UserWarning, match="with trust"):
        assert call(*audit_of(checkpoints, "whole.pt"), "--trust")[0] == 0


BAD_AUDITS = {
    "missing file": ({"dense": "nowhere.pt"}, "nowhere.pt"),
    "unknown model": ({"model": "lenet3000"}, "lenet300"),
    "other architecture": ({"model": "mlp"}, "missing from the file"),
    "unknown data": ({"data": "digit"}, "digits"),
    "unknown measure": ({"measures": "accurasy"}, "accuracy"),
    "budget that is not there": ({"budget": "nowhere.yaml"}, "nowhere.yaml"),
    "mean alone": ({"mean": "0.5"}, "mean without std"),
    "mean that is no number": ({"mean": "a,b", "std": "1,1"}, "--mean"),
    "three channels for one": ({"mean": "0.5,0.5,0.5", "std": "1,1,1"}, "normalisation"),
    "other input size": ({"resize": 16}, "dense.pt"),
    "no classes": ({"classes": "nowhere.txt"}, "nowhere.txt"),
    "other number of classes": ({"classes": "twelve.txt"}, "classes"),
}


@pytest.mark.parametrize("case", BAD_AUDITS)
def test_a_bad_audit_is_one_short_message_and_leaves_nothing(call, checkpoints, tmp_path, case):
    (tmp_path / "twelve.txt").write_text("\n".join("abcdefghijkl"))
    changes, told = BAD_AUDITS[case]
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(*audit_of(checkpoints, **changes))
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) < 15
    assert sorted(tmp_path.rglob("*")) == before


BAD = {
    "unknown study": (["run", "demmo"], "demo"),
    "missing file": (["run", "none.yaml"], "none.yaml"),
    "unknown criterion": (["run", "demo", "--set", "recipes.magnitude.stages.0.prune=magnitud"], "magnitude"),
    "sparsity 1": (["run", "demo", "--set", "recipes.magnitude.levels=[1.0]"], "levels"),
    "sparsity NaN": (["run", "demo", "--set", "recipes.magnitude.levels=[.nan]"], "levels"),
    "unknown size": (["run", "demo", "--size", "smal"], "small"),
    "unknown runner": (["run", "demo", "--on", "lokal"], "local"),
    "no workers": (["run", "demo", "--workers", "0"], "workers"),
    "no number of siblings": (["run", "demo", "--dry-run", "--siblings", "some"], "siblings"),
    "no siblings": (["run", "demo", "--siblings", "0"], "siblings"),
    "unknown siblings": (["run", "demo", "--siblings", "all"], "auto or off"),
    "unknown device": (["run", "demo", "--device", "tpu"], "tpu"),
    "unknown option": (["run", "demo", "--sice", "tiny"], "--sice"),
    "data without a place": (["run", "demo", "--data", "digits"], "NAME=PATH"),
    "data that is not there": (["run", "demo", "--data", "digits=./nowhere"], "nowhere"),
    "unknown family": (["list", "critera"], "criteria"),
    "unknown member": (["explain", "magnitud"], "magnitude"),
    "results before a run": (["results", "demo", "--store", "empty"], "prunescope run demo"),
    "report before a run": (["report", "demo", "--store", "empty"], "prunescope run demo"),
    "unknown recipe": (["export", "demo", "--recipe", "magnitud", "--to", "a.pt"], "magnitude"),
    "unknown level": (["export", "demo", "--recipe", "magnitude", "--sparsity", "0.7", "--to", "a.pt"], "0.7"),
    "unknown file format": (["export", "demo", "--recipe", "magnitude", "--to", "a.onnx"], ".safetensors"),
    "not trained yet": (["export", "demo", "--recipe", "magnitude", "--to", "a.pt"], "not trained yet"),
    "python tags": (["run", "tags.yaml"], "tags.yaml"),
    "runaway aliases": (["run", "bomb.yaml"], "bomb.yaml"),
    "foreign store": (["run", "demo", "--store", "foreign"], "foreign"),
    "store below a file": (["run", "demo", "--store", "bomb.yaml/store"], "cannot be written"),
    "newer store": (["run", "demo", "--store", "newer"], "newer"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_short_message_and_exit_code_2(call, tmp_path, case):
    (tmp_path / "tags.yaml").write_text("name: !!python/object/apply:os.system ['touch hacked']")
    (tmp_path / "bomb.yaml").write_text(
        "a0: &a0 [x]\n" + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    )
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("x")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "store.json").write_text('{"format": 99}')
    before = sorted(tmp_path.rglob("*"))
    arguments, told = BAD[case]
    code, out, err = call(*arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) < 15
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_artefact_stops_with_its_key(call, study, tmp_path):
    import shutil

    store = shutil.copytree(study / "store", tmp_path / "store")
    for victim in store.glob("measure/??/*/content.json"):
        victim.write_bytes(victim.read_bytes()[:-3])
    code, _, err = call("results", study / "little.yaml", "--store", store)
    assert code == 2
    assert "truncated" in err
    assert "doctor --repair" in err


def test_the_environment_names_the_store(call, study, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_STORE", str(study / "store"))
    code, out, _ = call("results", study / "little.yaml", "--format", "csv")
    assert code == 0
    assert "magnitude" in out
