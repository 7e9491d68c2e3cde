import json
import os
import platform

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.garbage import garbage
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.status import status
from prunescope.study.store import Store
from prunescope.study.study import load_study
from tests.study.test_plan import TRAIN, raw

FIERCE = {"train": {"until": "2ep", "batch": 32, "optimizer": {"sgd": {"lr": 1e30}}}}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = tmp_path_factory.mktemp("status") / "store"
    assert run(raw(), store=store, on="inline").complete
    return store


def test_before_and_after_a_run(store, tmp_path):
    before = status(raw(), store=tmp_path / "new")
    assert before.left is None
    assert {state for states in before.counts.values() for state in states} == {"waiting"}
    after = status(raw(), store=store)
    assert {state for states in after.counts.values() for state in states} == {"done"}
    assert after.left == 0
    more = status(raw(seeds=3), store=store)
    assert more.counts["init"] == {"done": 2, "waiting": 1}
    assert more.left > 0


def test_what_failed_what_it_blocks_and_what_runs(tmp_path):
    study = raw(recipes={"dense": [TRAIN], "wild": [FIERCE]}, seeds=1)
    run(study, store=tmp_path / "store", on="inline")
    found = status(study, store=tmp_path / "store")
    assert found.counts["train"] == {"done": 1, "failed": 1}
    assert found.counts["measure"] == {"done": 2, "blocked": 2}
    assert "training diverged" in str(found)


def test_only_living_processes_run(tmp_path):
    plan, store = plan_study(load_study(raw(seeds=1))), Store(tmp_path / "store")
    store.open()
    first, second = (node.key for node in plan.nodes.values() if node.kind in ("data", "init"))
    with store.journal.running([first], "data"), store.journal.running([second], "init"):
        word = json.loads((store.root / "running" / f"{second}.json").read_text())
        (store.root / "running" / f"{second}.json").write_text(json.dumps(word | {"process": 2**31}))
        found = status(raw(seeds=1), store=store.root)
        assert [word["key"] for word in found.running] == [first]
        assert f"on {platform.node()}, process {os.getpid()}" in str(found)
    assert status(raw(seeds=1), store=store.root).running == ()


def test_garbage_is_what_no_named_study_reaches_and_goes_only_when_told(tmp_path):
    root = tmp_path / "store"
    run(raw(seeds=2), store=root, on="inline")
    one, two = load_study(raw(seeds=1)), load_study(raw(seeds=2))
    total = len(list(Store(root).folders()))
    found = garbage([one], store=root)
    assert (found.removed, found.size > 0) == (False, True)
    assert len(found.folders) + found.kept == total == len(list(Store(root).folders()))
    assert garbage([one, two], store=root).folders == ()
    removed = garbage([one], store=root, remove=True)
    assert removed.folders == found.folders
    assert len(list(Store(root).folders())) == found.kept
    kinds: set[str] = set()
    assert run(one, store=root, on="inline", listen=lambda event, total: kinds.add(event.node.kind)).complete
    assert kinds == {"measure"}  # of one network, which were never made; all that they read was kept
    with pytest.raises(PrunescopeError, match="no study is named"):
        garbage([], store=root)
