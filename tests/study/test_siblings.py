"""Networks that differ only by seed go through a stage at once; everything else about them is their own."""

import copy

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.node import gathered
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.runners import Inline, Local, drive
from prunescope.study.store import Store
from prunescope.study.study import load_study
from prunescope.study.work import perform
from prunescope.training import Online
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


def spied(monkeypatch):
    sizes, together = [], Online.together
    monkeypatch.setattr(Online, "together", lambda self, s, c: sizes.append(len(s)) or together(self, s, c))
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

    def with_one_that_diverges(self, states, contexts):
        if any(state.seed == 2 for state in states):
            raise PrunescopeError("online learning diverged", got="seeds [2]")
        return together(self, states, contexts)

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
                next(w for w in self._workers if w.node is node).process.kill()

    plan, store = made(), Store(tmp_path / "store")
    runner = Deadly(store.root, "cpu", 2)
    events = list(drive(plan.nodes.values(), runner, 2))
    runner.close()
    assert not any(event.what in {"failed", "blocked"} for event in events)
    assert not (store.root / "failed").exists()
