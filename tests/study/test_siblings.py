"""Networks that differ only by seed go through a stage at once; everything else about them is their own."""

import copy
import os
import shutil
import signal

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.study.journal import Journal
from prunescope.study.node import gathered
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.runners import Inline, Local, drive
from prunescope.study.store import Artefact, Store
from prunescope.study.study import load_study
from prunescope.study.work import perform
from prunescope.training import Online, Train
from tests.study.test_run import everything

RAW = {
    "name": "students", "data": {"teacher": {"inputs": 20, "train": 20, "test": 10}},
    "model": {"committee": {"hidden": 3}}, "seeds": 4, "measures": ["compression"],
    "recipes": {
        "dense": [{"online": {"samples": 200, "stops": 3}}],
        "pruned": {"from": "dense", "levels": [0.5], "stages": [{"prune": "magnitude"}]},
    },
}  # fmt: skip


def made():
    return plan_study(load_study(copy.deepcopy(RAW)))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Every node performed by itself."""
    root = tmp_path_factory.mktemp("alone") / "store"
    for node in made().nodes.values():
        assert not perform(node, root, "cpu").error
    return root


def spied(monkeypatch, stage=Online):
    sizes, together = [], stage.together

    def spy(self, states, contexts, **options):
        sizes.append(len(states))
        return together(self, states, contexts, **options)

    monkeypatch.setattr(stage, "together", spy)
    return sizes


def test_siblings_are_the_networks_of_one_stage():
    tagged = [node for node in made().nodes.values() if node.siblings]
    assert {node.kind for node in tagged} == {"online"} and len({node.siblings for node in tagged}) == 1
    assert len(tagged) == 4
    assert gathered(tagged[:1]) is tagged[0]


def test_together_or_alone_the_store_holds_the_same_bits(alone, tmp_path, monkeypatch):
    sizes = spied(monkeypatch)
    assert run(copy.deepcopy(RAW), store=tmp_path / "inline", on="inline").complete
    assert sizes == [4]
    assert run(copy.deepcopy(RAW), store=tmp_path / "local", on="local", workers=2).complete
    kinds = {"state", "data", "measure"}
    expected = everything(alone)
    for name in ("inline", "local"):
        held = everything(tmp_path / name)
        assert held == {key: expected[key] for key in held}
        assert {folder.parent.parent.name for folder in Store(tmp_path / name).folders()} == kinds


def test_they_are_dealt_to_as_many_jobs_as_run_at_once(tmp_path, monkeypatch):
    sizes = spied(monkeypatch)
    plan = made()
    done = [event for event in drive(plan.nodes.values(), Inline(tmp_path / "store", "cpu"), 3) if event.what == "done"]
    assert sizes == [2, 2]
    assert len(done) == len(plan.nodes)


def test_what_is_there_already_is_not_computed_again(tmp_path, monkeypatch):
    plan, root = made(), tmp_path / "store"
    early = [node for node in plan.nodes.values() if node.kind in {"data", "init"}]
    first = next(node for node in plan.nodes.values() if node.siblings)
    for node in [*early, first]:
        perform(node, root, "cpu")
    sizes = spied(monkeypatch)
    assert not perform(gathered([n for n in plan.nodes.values() if n.siblings]), root, "cpu").error
    assert sizes == [3]
    run(copy.deepcopy(RAW), store=root, on="inline")
    assert sizes == [3]


def test_a_failure_is_that_of_one_network(tmp_path, monkeypatch):
    together = Online.together

    def with_one_that_diverges(self, states, contexts, **options):
        if any(state.seed == 2 for state in states):
            raise PrunescopeError("online learning diverged", got="seeds [2]")
        return together(self, states, contexts, **options)

    monkeypatch.setattr(Online, "together", with_one_that_diverges)
    summary = run(copy.deepcopy(RAW), store=tmp_path / "store", on="inline")
    failed = [made().nodes[key] for key in summary.failed]
    assert [node.kind for node in failed] == ["online"]
    assert "diverged" in next(iter(summary.failed.values()))
    store = Store(tmp_path / "store")
    assert sum(store.has("state", cell.state) for cell in made().cells) == 6
    assert [path.stem for path in (store.root / "failed").iterdir()] == list(summary.failed)


def test_a_job_that_kills_its_worker_is_taken_apart(tmp_path):
    class Deadly(Local):
        def start(self, node):
            super().start(node)
            if node.members:
                os.kill(next(w for w in self._workers if w.node is node).process.pid, signal.SIGKILL)

    plan, store = made(), Store(tmp_path / "store")
    runner = Deadly(store.root, "cpu", 2)
    events = list(drive(plan.nodes.values(), runner, 2))
    runner.close()
    assert not any(event.what in {"failed", "blocked"} for event in events)
    assert not (store.root / "failed").exists()


TRAINED = {
    "name": "digits", "data": "digits", "model": {"mlp": {"hidden": [4]}}, "seeds": 5, "measures": ["accuracy"],
    "recipes": {
        "dense": [{"train": {"until": "2ep", "batch": 256, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}}],
        "pruned": {"from": "dense", "levels": [0.5], "stages": [
            {"prune": "magnitude"}, {"train": {"until": "1ep", "batch": 256}}, {"train": {"until": "1it", "clip": 1}},
        ]},
    },
}  # fmt: skip


def trained():
    return plan_study(load_study(copy.deepcopy(TRAINED)))


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """Every network trained by itself, as is the default."""
    root = tmp_path_factory.mktemp("trained") / "store"
    assert run(copy.deepcopy(TRAINED), store=root, on="inline").complete
    return Store(root)


def ends(store):
    return [store.read("state", cell.state).tensors for cell in trained().cells]


def test_trainings_are_siblings_unless_something_is_asked_of_each():
    close = [node for node in trained().nodes.values() if node.close]
    assert len(close) == 10 and {node.kind for node in close} == {"train"} and all(node.siblings for node in close)


def test_a_batched_training_wants_the_gpu_of_all_of_them():
    close = [node for node in trained().nodes.values() if node.close][:5]
    assert close[0].gpu == 0.25
    assert [gathered(close[:count]).gpu for count in (1, 2, 5)] == [0.25, 0.5, 1.0]


def test_they_are_trained_one_by_one_unless_asked(one_by_one, tmp_path, monkeypatch):
    sizes = spied(monkeypatch, Train)
    assert run(copy.deepcopy(TRAINED), store=tmp_path / "store", on="inline").complete
    assert sizes == []
    assert everything(tmp_path / "store") == everything(one_by_one.root)


def test_as_many_at_once_as_asked_each_under_its_own_key(one_by_one, tmp_path, monkeypatch):
    sizes, store = spied(monkeypatch, Train), Store(tmp_path / "store")
    assert run(copy.deepcopy(TRAINED), store=store.root, on="inline", siblings=3).complete
    assert sizes == [3, 2, 3, 2]
    for alone, together in zip(ends(one_by_one), ends(store), strict=True):
        assert alone.keys() == together.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name], tensor, rtol=1e-4, atol=1e-5)
    counts = [store.manifest("state", cell.state)["siblings"] for cell in trained().cells if cell.recipe == "dense"]
    assert counts == [3, 3, 3, 2, 2]


@pytest.mark.parametrize(("gain", "siblings"), [(2.0, 5), (0.9, 1)])
def test_auto_measures_and_takes_apart_what_is_faster_one_by_one(tmp_path, monkeypatch, gain, siblings):
    monkeypatch.setattr("prunescope.training.stages.train.SHORT", 0)
    monkeypatch.setattr("prunescope.training.stages.train.speed_up", lambda *_, **__: gain)
    store = Store(tmp_path / "store")
    assert run(copy.deepcopy(TRAINED), store=store.root, on="inline", siblings="auto").complete
    assert not (store.root / "failed").exists()
    dense = [cell for cell in trained().cells if cell.recipe == "dense"]
    assert {store.manifest("state", cell.state)["siblings"] for cell in dense} == {siblings}


def test_a_short_training_is_not_worth_a_trial(one_by_one, tmp_path):
    assert run(copy.deepcopy(TRAINED), store=tmp_path / "store", on="inline", siblings="auto").complete
    assert everything(tmp_path / "store") == everything(one_by_one.root)


def test_one_that_diverges_fails_alone(tmp_path):
    plan, root = trained(), tmp_path / "store"
    first = [node for node in plan.nodes.values() if node.close][:5]
    for node in plan.nodes.values():
        if node.kind in {"data", "init"}:
            perform(node, root, "cpu")
    spoil(Store(root), str(first[2].inputs["state"]))
    events = list(drive(first, Inline(root, "cpu"), 1, 5))
    assert [event.node for event in events if event.what == "done"] == [*first[:2], *first[3:]]
    [failed] = [event for event in events if event.what == "failed"]
    assert failed.node == first[2] and "seed 2: training diverged" in failed.hint


def spoil(store, key):
    """Make an initial weight infinite."""
    held, spec = store.read("state", key), (store.folder("state", key) / "spec.json").read_text()
    tensors = {name: tensor.clone() for name, tensor in held.tensors.items()}
    tensors["weights/linear1.weight"].fill_(float("inf"))
    shutil.rmtree(store.folder("state", key))
    store.write("state", key, spec, Artefact(tensors=tensors, content=held.content), seconds=0.0, device="cpu")


def test_a_group_that_is_cut_off_goes_on(one_by_one, tmp_path, monkeypatch):
    """Killed after the first epoch, with one network's state not kept yet: both parts go on together or alone."""
    monkeypatch.setattr("prunescope.study.work.CHECKPOINT_SECONDS", 0.0)
    root, saved = tmp_path / "store", Journal.save_partial

    def save(self, key, tensors, meta):
        if len(kept) == 4:
            raise KeyboardInterrupt
        kept.append(key)
        saved(self, key, tensors, meta)

    kept = []
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "save_partial", save)
        with pytest.raises(KeyboardInterrupt):
            run(copy.deepcopy(TRAINED), store=root, on="inline", siblings=5)
    begun = []
    train_together = Train.together.__globals__["train_together"]

    def spy(net, states, feed, **options):
        begun.append({state.seed: state.step for state in states})
        return train_together(net, states, feed, **options)

    monkeypatch.setattr("prunescope.training.stages.train.train_together", spy)
    assert run(copy.deepcopy(TRAINED), store=root, on="inline", siblings=5).complete
    assert sorted(begun[:2], key=len) == [{4: 0}, dict.fromkeys(range(4), 5)]
    for alone, together in zip(ends(one_by_one), ends(Store(root)), strict=True):
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name], tensor, rtol=1e-4, atol=1e-5)
    histories = [Store(root).read("state", cell.state).content["history"] for cell in trained().cells]
    assert all([entry["epoch"] for entry in history[:2]] == [0, 1] for history in histories)


@pytest.mark.parametrize("siblings", [0, -1, "many", "1.5", "", True])
def test_what_is_no_number_of_siblings_is_refused(tmp_path, siblings):
    with pytest.raises(PrunescopeError, match="siblings: unknown number of siblings"):
        run(copy.deepcopy(TRAINED), store=tmp_path / "store", siblings=siblings)
    assert not (tmp_path / "store").exists()
