"""The process that forks workers: who is there, who ends when, and that importing stays cheap."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from prunescope.study import nursery as module
from prunescope.study.node import Node
from prunescope.study.nursery import Nursery
from prunescope.study.store import Store
from prunescope.study.work import Outcome

NODE = Node(kind="nothing of that kind", key="key", spec="", payload={}, inputs={})


@pytest.fixture
def nursery(tmp_path):
    Store(tmp_path).open()
    with closing(Nursery()) as begun:
        yield begun


def alive(pid):
    """Return whether a process runs, those that wait to be buried left out."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip()) and "Z" not in listed.stdout


def gone(pid, seconds=20):
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_workers_answer_though_they_were_asked_before_they_were_there(nursery, tmp_path):
    children = [nursery.begin(tmp_path, "cpu") for _ in range(3)]
    for child in children:
        child.pipe.send(NODE)
    outcomes = [child.pipe.recv() for child in children]
    assert all(isinstance(outcome, Outcome) and outcome.key == "key" and outcome.error for outcome in outcomes)
    assert len({child.pid for child in children} | {os.getpid()}) == 4


def test_a_worker_is_killed_and_its_exit_code_told_and_the_others_go_on(nursery, tmp_path):
    first, second, third = (nursery.begin(tmp_path, "cpu") for _ in range(3))
    assert first.kill() == -signal.SIGKILL
    os.kill(second.pid, signal.SIGTERM)
    assert second.kill() in (-signal.SIGTERM, -signal.SIGKILL)
    third.pipe.send(NODE)
    assert third.pipe.recv().key == "key"


def test_all_end_with_the_nursery_at_once_and_within_seconds_when_it_is_killed(tmp_path):
    nursery = Nursery()
    child = nursery.begin(tmp_path, "cpu")
    assert alive(child.pid)
    nursery.close()
    assert gone(child.pid, 1)
    nursery.close()
    killed = Nursery()
    child = killed.begin(tmp_path, "cpu")
    pid = child.pid
    os.kill(killed._process.pid, signal.SIGKILL)
    assert gone(pid)
    assert child.kill() is None
    killed.close()


def test_one_that_begins_early_is_taken_once(monkeypatch):
    monkeypatch.setattr(module, "_EARLY", [])
    module.begin_early()
    [early] = module._EARLY
    with closing(module.take_nursery()) as taken, closing(module.take_nursery()) as other:
        assert taken is early
        assert other is not early


LEAN = """
import sys
import prunescope
assert "torch" not in sys.modules
import prunescope.study.runners.worker
from prunescope import run
assert run(STUDY, store=sys.argv[1], on="inline", siblings=2).complete
slow = {"torch._dynamo", "sympy", "altair"} & sys.modules.keys()
print(sorted(slow))
"""
STUDY = {
    "name": "lean", "data": "digits", "model": {"mlp": {"hidden": [4]}}, "seeds": 2, "measures": ["accuracy"],
    "views": ["test"], "recipes": {"dense": [{"train": {"until": "1ep"}}]},
}  # fmt: skip


def test_what_takes_a_second_to_import_stays_away_from_workers(tmp_path):
    code = LEAN.replace("STUDY", repr(STUDY))
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert told.stdout.splitlines() == ["[]"], told.stderr


def test_the_package_offers_what_it_lists_and_nothing_else():
    import prunescope

    assert all(getattr(prunescope, name) is not None for name in prunescope.__all__)
    assert set(prunescope.__all__) <= set(dir(prunescope))
    with pytest.raises(AttributeError, match="no attribute 'prunes'"):
        prunescope.prunes  # noqa: B018
