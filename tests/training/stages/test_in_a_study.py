"""Stages as nodes of a study: planned, stored, cut off and resumed."""

import copy
import shutil

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.study.artefacts import read_state
from prunescope.study.doctor import examine
from prunescope.study.journal import Journal
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.store import Store
from prunescope.study.study import load_study
from prunescope.training import regrowth

TRAIN = {"until": "2ep", "batch": 64, "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}}}
WATCHED = {"train": TRAIN | {"track": ["validation", "weights"]}}
GRADUAL = {
    "gradual": {"train": TRAIN | {"until": "6ep"}, "begin": "1ep", "end": "4ep", "every": "7it", "sparsity": 0.9}
}
RAW = {
    "name": "life", "data": "digits", "model": {"mlp": {"hidden": [8, 8]}}, "seeds": 1, "measures": ["compression"],
    "recipes": {
        "dense": [WATCHED],
        "regrown": {"from": "dense", "stages": [
            {"prune": {"criterion": "magnitude", "sparsity": 0.5}}, {"freeze": {"names": ["linear1"]}},
            {"train": TRAIN}, "unfreeze", "regrow", WATCHED,
        ]},
        "gmp": [GRADUAL],
        "gmp_level": {"levels": [0.5, 0.9], "stages": [{"gradual": {
            **{name: value for name, value in GRADUAL["gradual"].items() if name != "sparsity"},
        }}]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = tmp_path_factory.mktemp("life") / "store"
    assert run(copy.deepcopy(RAW), store=store, on="inline").complete
    return Store(store)


def made():
    return plan_study(load_study(copy.deepcopy(RAW)))


def states(store, recipe):
    """Return the artefacts of all stages that lead to a recipe's last state, in order."""
    plan = made()
    key, chain = [cell.state for cell in plan.cells if cell.recipe == recipe][-1], []
    while key in plan.nodes and plan.nodes[key].artefact == "state":
        chain.append((plan.nodes[key].kind, key))
        key = plan.nodes[key].inputs.get("state", "")
    return [(kind, store.read("state", key), key) for kind, key in reversed(chain)]


def test_stages_ask_for_data_only_where_they_look_at_it():
    nodes = made().nodes.values()
    with_data = {node.kind for node in nodes if "data" in node.inputs}
    assert with_data == {"init", "train", "gradual", "logits"}
    assert {"prune", "freeze", "unfreeze", "regrow"} <= {node.kind for node in nodes}
    study = load_study(copy.deepcopy(RAW) | {"recipes": {"dense": [{"freeze": 0.9}, {"train": TRAIN}]}})
    assert "data" in next(node for node in plan_study(study).nodes.values() if node.kind == "freeze").inputs


def test_a_level_with_the_amount_written_out_is_the_same_work():
    cells = {(cell.recipe, cell.level): cell for cell in made().cells}
    assert cells["gmp", "0.9"].state == cells["gmp_level", "0.9"].state
    assert cells["gmp_level", "0.5"].sparsity == 0.5


def test_a_state_keeps_the_history_of_its_whole_life(finished):
    chain = states(finished, "regrown")
    history = chain[-1][1].content["history"]
    kinds = {entry["stage"]: entry["kind"] for entry in history}
    assert list(kinds.values()) == [kind for kind, _, _ in chain[1:]]
    assert list(kinds) == list(range(1, len(chain)))
    assert all(history[: len(before)] == before for before in (a.content["history"] for _, a, _ in chain))
    first, prune, masked, last = (
        [entry for entry in history if entry["stage"] == stage] for stage in (1, 2, 4, len(chain) - 1)
    )
    assert [entry["epoch"] for entry in first] == [0, 1]
    assert {"loss", "lr", "step", "sparsity", "validation/accuracy", "nonzero/linear1.weight"} <= set(first[0])
    assert 0 < first[-1]["validation/accuracy"] <= 1
    assert prune == [{"stage": 2, "kind": "prune", "sparsity": 0.5}]
    plain = {"stage", "kind", "epoch", "step", "loss", "lr", "sparsity"}
    assert set(masked[0]) == plain and masked[0]["sparsity"] == 0.5
    assert last[0]["sparsity"] == 0 and last[-1]["grown/linear2.weight"] > 0
    assert last[-1]["grown_size/linear2.weight"] > 0


def test_gradual_pruning_records_its_rising_sparsity(finished):
    [gradual] = [artefact.content["history"] for kind, artefact, _ in states(finished, "gmp") if kind == "gradual"]
    sparsities = [entry["sparsity"] for entry in gradual]
    assert sparsities[0] == 0 and sparsities == sorted(sparsities)
    assert sparsities[-1] == pytest.approx(0.9, abs=2e-3)


def test_a_state_of_before_stages_were_numbered_goes_on(tmp_path):
    store = Store(tmp_path / "store")
    study = copy.deepcopy(RAW) | {"recipes": {"dense": [WATCHED]}}
    assert run(study, store=store.root, on="inline").complete
    [key] = [node.key for node in plan_study(load_study(study)).nodes.values() if node.kind == "train"]
    old = store.read("state", key)
    plain = [
        {name: value for name, value in e.items() if name not in ("stage", "kind")} for e in old.content["history"]
    ]
    old.content["history"] = plain
    node = plan_study(load_study(study)).nodes[key]
    shutil.rmtree(store.folder("state", key))
    store.write("state", key, node.spec, old, seconds=1.0, device="cpu")
    study["recipes"]["again"] = {"from": "dense", "stages": [WATCHED]}
    assert run(study, store=store.root, on="inline").complete
    again = next(cell.state for cell in plan_study(load_study(study)).cells if cell.recipe == "again")
    assert [entry.get("stage") for entry in store.read("state", again).content["history"]] == [None, None, 1, 1]


def test_regrowth_is_recovered_from_what_the_store_holds(finished):
    chain = {}
    for kind, _, key in states(finished, "regrown"):
        chain.setdefault(kind, []).append(read_state(finished, key)[0])
    pruned, last = chain["prune"][0], chain["train"][-1]
    assert chain["train"][1].mask == pruned.mask and last.mask.sparsity == 0
    found = regrowth(pruned, last)
    assert sum(tensor.revived for tensor in found.values()) == pruned.mask.total - pruned.mask.kept
    assert found["linear2.weight"].grown > 0
    names = [name for name in pruned.weights if name.startswith("linear1")]
    assert all(torch.equal(chain["train"][1].weights[name], pruned.weights[name]) for name in names)


def test_gradual_pruning_cut_off_at_any_epoch_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.study.work.CHECKPOINT_SECONDS", 0.0)
    study = copy.deepcopy(RAW) | {"recipes": {"dense": [WATCHED], "gmp": [GRADUAL]}}
    original, saved = Journal.save_partial, []

    def save_and_stop(self, key, tensors, meta):
        original(self, key, tensors, meta)
        saved.append(int(meta["step"]))
        if len(saved) in (3, 5, 7):  # after the first, third and fifth epoch of gradual pruning
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "save_partial", save_and_stop)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(study, store=tmp_path / "cut", on="inline")
    assert run(study, store=tmp_path / "cut", on="inline").complete
    cut, whole = states(Store(tmp_path / "cut"), "gmp")[-1], states(finished, "gmp")[-1]
    assert cut[2] == whole[2]
    assert cut[1].content == whole[1].content
    assert all(torch.equal(cut[1].tensors[name], tensor) for name, tensor in whole[1].tensors.items())


FACTORIES = """
from torch import nn
def fails(): raise RuntimeError("no weights here")
def nothing(): return None
"""


def factory(name):
    return lambda folder: {"model": {"foreign": f"{folder / 'net.py'}:{name}"}}


def second(*stages):
    return lambda folder: {"recipes": {"dense": [WATCHED], "wrong": {"from": "dense", "stages": list(stages)}}}


@pytest.mark.parametrize(
    ("wrong", "told", "left"),
    [
        (factory("fails"), "the factory failed; got RuntimeError: no weights here", {"data": 1}),
        (factory("nothing"), "the factory returns no network; expected a module, got NoneType", {"data": 1}),
        (second({"freeze": {"names": ["*"]}}), "every parameter is frozen", {"data": 1, "state": 2}),
        (second("regrow"), "nothing is pruned that could grow back", {"data": 1, "state": 2}),
        (second({"train": TRAIN | {"lr": {"constant": {"warmup": "900it"}}}}), "warm-up longer than training",
         {"data": 1, "state": 2}),
        (second({"train": TRAIN | {"lr": {"steps": ["1ep", "3it"]}}}), "do not increase", {"data": 1, "state": 2}),
    ],
)  # fmt: skip
def test_what_only_running_can_refuse_is_told_and_leaves_nothing_half_written(wrong, told, left, tmp_path):
    (tmp_path / "net.py").write_text(FACTORIES)
    study = copy.deepcopy(RAW) | {"recipes": {"dense": [WATCHED]}, "measures": ["compression"]} | wrong(tmp_path)
    summary = run(study, store=tmp_path / "store", on="inline")
    assert [hint for hint in summary.failed.values() if told in hint]
    assert not summary.complete and summary.blocked
    store = Store(tmp_path / "store")
    kinds = [folder.parent.parent.name for folder in store.folders()]
    assert {kind: kinds.count(kind) for kind in ("data", "state") if kind in kinds} == left
    health = examine(store.root)
    assert (health.damaged, health.leftovers) == ((), 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (second({"freeze": 1.0}), "less than 1"),
        (second({"train": TRAIN | {"until": "-2ep"}}), "not a duration"),
        (second({"train": TRAIN | {"lr": {"steps": ["2ep", "1ep"]}}}), "do not increase"),
        (second({"train": TRAIN | {"lr": {"constant": {"warmup": "3ep"}}}}), "warm-up longer than training"),
        (second({"train": TRAIN | {"optimizer": {"adam": -1e-3}}}), "greater than 0"),
        (lambda folder: {"model": {"foreign": f"{folder / 'none.py'}:make"}}, "there is no such file"),
    ],
)
def test_what_reading_can_refuse_is_refused_before_there_is_a_store(wrong, told, tmp_path):
    with pytest.raises(PrunescopeError, match=told):
        run(copy.deepcopy(RAW) | wrong(tmp_path), store=tmp_path / "store", on="inline")
    assert not (tmp_path / "store").exists()
