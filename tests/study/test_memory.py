import json
import subprocess
import sys

import pytest
import torch

from prunescope.data import Digits
from prunescope.study import memory as module
from prunescope.study.memory import BASE, Memory, available, resident
from prunescope.study.node import gathered
from prunescope.study.plan import plan_study
from prunescope.study.run import forecast, run
from prunescope.study.runners.local import Local, _Worker
from prunescope.study.store import Store
from prunescope.study.study import load_study
from tests.study.runners.test_local import NODE
from tests.study.test_plan import TRAIN, raw

MEASURED = r"""
import json, re, sys
from prunescope.study.run import run
assert run(json.loads(sys.argv[1]), store=sys.argv[2], on="inline").complete
# not ru_maxrss, which begins with what the parent held
print(1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]))
"""
GB = 2**30
LITTLE = {"seeds": 2, "recipes": {"dense": [TRAIN]}, "measures": ["accuracy"]}


class Told:
    """Memory that knows one answer."""

    def __init__(self, size):
        self.size = size

    def of(self, node):
        return self.size


def told(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return available(folder, folder / "meminfo")


def test_the_smaller_of_machine_and_control_group_is_available(tmp_path):
    assert told(tmp_path) is None
    assert told(tmp_path, meminfo="MemTotal: 9 kB\nMemAvailable:  4096 kB\n") == 4096 * 1024
    group = {"memory_current": "3000\n", "memory_stat": "anon 5\ninactive_file 500\n"}
    assert told(tmp_path, memory_max="max\n", **group) == 4096 * 1024
    assert told(tmp_path, memory_max="10000\n", **group) == 7500


@pytest.mark.skipif(not BASE, reason="this system does not tell what a process holds")
def test_the_estimate_of_a_study_is_near_what_its_process_takes(tmp_path):
    study = raw(**LITTLE)
    plan = plan_study(load_study(study))
    size, _ = Memory(plan, Store(tmp_path / "store")).most(plan.nodes)
    command = [sys.executable, "-c", MEASURED, json.dumps(study), str(tmp_path / "store")]
    measured = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0.7 < size / measured < 1.5
    assert Memory(plan, Store(tmp_path / "store")).most(plan.nodes)[0] == pytest.approx(size, rel=0.02)


def test_the_forecast_tells_worker_and_runner_or_that_nobody_knows(tmp_path):
    assert "memory: a worker about 0." in forecast(raw(), store=tmp_path / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Digits, "outline", lambda self: None)
        assert "unknown until the data are there" in forecast(raw(), store=tmp_path / "store")


def test_siblings_take_what_each_takes_and_share_the_data(tmp_path):
    plan = plan_study(load_study(raw(seeds=3)))
    nodes = [node for node in plan.nodes.values() if node.kind == "init"]
    memory = Memory(plan, Store(tmp_path / "store"))
    one, three = memory.of(nodes[0]), memory.of(gathered(nodes))
    data = 1797 * (64 + 8)
    assert three - one == 2 * (one - module.LIBRARIES - data)


def holding(tmp_path, monkeypatch, left, own, running=1):
    """Whether a runner with busy workers of this process starts a node, with so much memory left."""
    monkeypatch.setattr("prunescope.study.runners.local.available", lambda: left)
    runner = Local(tmp_path, "cpu", 8, Told(own))
    process = type("Process", (), {"pid": "self"})
    runner._workers = [_Worker(process=process, device="cpu", node=NODE) for _ in range(running)]
    return runner.free(NODE)


def test_a_node_waits_for_memory_unless_nothing_runs(tmp_path, monkeypatch):
    assert holding(tmp_path, monkeypatch, left=1, own=GB, running=0)
    assert holding(tmp_path, monkeypatch, left=8 * GB, own=GB)
    assert not holding(tmp_path, monkeypatch, left=GB // 2, own=GB)
    assert holding(tmp_path, monkeypatch, left=None, own=GB)
    assert holding(tmp_path, monkeypatch, left=1, own=None)


def test_what_running_nodes_will_still_take_is_not_given_away(tmp_path, monkeypatch):
    own = GB + resident()
    room = BASE + own + 1.5 * GB
    assert holding(tmp_path, monkeypatch, left=room, own=own, running=1)
    assert not holding(tmp_path, monkeypatch, left=room, own=own, running=3)


def test_a_study_that_does_not_fit_still_runs_node_by_node(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.study.runners.local.available", lambda: 0)
    monkeypatch.setattr(Memory, "of", lambda self, node: 2**40)
    assert run(raw(**LITTLE), store=tmp_path / "store", workers=2).complete


@pytest.mark.parametrize("device", ["GPU", "processor"])
def test_a_training_without_memory_is_refused_with_the_remedy_and_recorded(tmp_path, monkeypatch, device):
    def full(*_):
        if device == "GPU":
            raise torch.OutOfMemoryError("CUDA out of memory")
        torch.empty(2**50)

    monkeypatch.setattr("prunescope.training.running.Run._step", full)
    summary = run(raw(**LITTLE | {"seeds": 1}), store=tmp_path / "store", on="inline")
    [hint] = summary.failed.values()
    assert "no memory for a training step; expected about 0.0 GB, got batch 32" in hint
    assert "train.batch=" in hint
    [key] = summary.failed
    assert Store(tmp_path / "store").journal.failure(key) is not None
