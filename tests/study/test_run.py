import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
import torch
import yaml

from prunescope.core.errors import PrunescopeError
from prunescope.study.doctor import examine
from prunescope.study.journal import Journal
from prunescope.study.nursery import CODE
from prunescope.study.plan import plan_study
from prunescope.study.run import forecast, needed, pick_device, results, run
from prunescope.study.runners import Local, drive
from prunescope.study.store import Store
from prunescope.study.study import load_study
from tests.study.test_plan import raw


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = tmp_path_factory.mktemp("finished") / "store"
    summary = run(raw(), store=store, on="inline")
    assert summary.complete
    return store


def everything(store):
    """Return what the store holds, bit for bit, without times."""
    held = {}
    for folder in Store(store).folders():
        artefact = Store(store).read(folder.parent.parent.name, folder.name)
        held[folder.name] = ({n: t.numpy().tobytes() for n, t in artefact.tensors.items()}, artefact.content)
    return held


def test_a_second_run_computes_nothing(finished):
    again = run(raw(), store=finished, on="inline")
    assert (again.done, len(again.failed), again.cached) == (0, 0, len(plan_study(load_study(raw())).nodes))


def test_worker_processes_give_the_same_bits_as_this_process(finished, tmp_path):
    assert run(raw(), store=tmp_path / "store", on="local", workers=2).complete
    assert everything(tmp_path / "store") == everything(finished)


def test_results_are_tidy_rows(finished):
    table = results(raw(), store=finished)
    assert set(table["measure"]) == {"accuracy", "compression"}
    whole = table[(table["quantity"] == "accuracy") & table["seed"].isna() & (table["item"] == "")]
    assert list(zip(whole["recipe"], whole["level"], strict=True)) == [
        ("dense", "dense"), ("magnitude", "0.5"), ("magnitude", "0.9"), ("imp", "round 1"), ("imp", "round 2")
    ]  # fmt: skip
    assert whole["value"].between(0, 1).all()
    assert (whole["n"] == 600).all()
    assert (whole["seeds"] == 2).all()


def test_results_before_a_run_are_refused(tmp_path):
    with pytest.raises(PrunescopeError, match="nothing of this study has been measured"):
        results(raw(), store=tmp_path / "store")


def test_a_new_measure_on_an_old_study_trains_nothing(finished, tmp_path):
    import shutil

    store = shutil.copytree(finished, tmp_path / "store")
    kinds = []
    run(
        raw(measures=["accuracy", "agreement"]), store=store, on="inline", listen=lambda e, n: kinds.append(e.node.kind)
    )
    assert set(kinds) == {"measure"}


def test_what_only_led_to_finished_work_is_not_made_again(finished, tmp_path):
    import shutil

    store = Store(shutil.copytree(finished, tmp_path / "store"))
    plan = plan_study(load_study(raw()))
    inner = next(node for node in plan.nodes.values() if node.kind == "prune")
    shutil.rmtree(store.folder("state", inner.key))
    assert needed(plan, store) == []


def test_a_failed_node_is_a_result_and_the_rest_goes_on(tmp_path):
    broken = raw()
    fierce = {"train": {"until": "2ep", "batch": 32, "optimizer": {"sgd": {"lr": 1e30}}}}
    broken["recipes"]["wild"] = {"from": "dense", "stages": [fierce]}
    summary = run(broken, store=tmp_path / "store", on="inline")
    assert not summary.complete
    assert len(summary.failed) == 2
    assert all("training diverged" in hint for hint in summary.failed.values())
    assert summary.blocked == 2 + 2
    store = Store(tmp_path / "store")
    assert all("Traceback" in store.journal.failure(key)["traceback"] for key in summary.failed)
    assert set(results(broken, store=store.root)["recipe"]) == {"dense", "magnitude", "imp"}


def test_a_forecast_counts_and_estimates(finished, tmp_path):
    assert "unknown" in forecast(raw(), store=tmp_path / "store")
    told = forecast(raw(seeds=3), store=finished, workers=2)
    assert "6 to run" in told
    assert "time: " in told
    assert "unknown" not in told


def test_long_training_goes_on_from_the_state_it_kept(tmp_path, monkeypatch):
    """Stop inside a node after some epochs; the resumed node is bit-identical to an uninterrupted one."""
    study = raw(recipes={"dense": [{"train": {"until": "6ep", "batch": 64}}]}, seeds=1)
    assert run(study, store=tmp_path / "whole", on="inline").complete
    monkeypatch.setattr("prunescope.study.work.CHECKPOINT_SECONDS", 0.0)
    saved = []
    original = Journal.save_partial

    def save_and_stop(self, key, tensors, meta):
        original(self, key, tensors, meta)
        saved.append(meta["step"])
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "save_partial", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(study, store=tmp_path / "cut", on="inline")
    assert run(study, store=tmp_path / "cut", on="inline").complete
    assert int(saved[3]) > int(saved[2])
    assert everything(tmp_path / "cut") == everything(tmp_path / "whole")


def start(study_file, store):
    command = [sys.executable, "-m", "prunescope", "run", str(study_file), "--store", str(store), "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.soak)])
def test_killed_at_random_moments_and_resumed_gives_identical_results(finished, tmp_path, times):
    path, store = tmp_path / "study.yaml", tmp_path / "store"
    path.write_text(yaml.safe_dump(raw()))
    rng = random.Random(0)
    for _ in range(times):
        process = start(path, store)
        time.sleep(rng.uniform(1.5, 4.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    final = start(path, store)
    assert final.wait(120) == 0
    assert everything(store) == everything(finished)
    assert examine(store).damaged == ()


def test_two_runs_at_once_on_one_store(finished, tmp_path):
    path, store = tmp_path / "study.yaml", tmp_path / "store"
    path.write_text(yaml.safe_dump(raw()))
    both = [start(path, store), start(path, store)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert everything(store) == everything(finished)
    assert examine(store).damaged == ()


def test_workers_end_when_the_run_is_killed(tmp_path):
    path, store = tmp_path / "study.yaml", tmp_path / "store"
    path.write_text(yaml.safe_dump(raw(seeds=40)))
    process = start(path, store)
    deadline = time.monotonic() + 30
    while not list(store.glob("state/??/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert members(process.pid) == []


def members(session):
    """Return the living processes of a session."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.splitlines() if "Z" not in line.split()[1]]


def forked():
    """Return the workers of this process: the children of its nurseries."""
    nurseries = [process for process in psutil.Process().children() if CODE in process.cmdline()]
    return [worker for nursery in nurseries for worker in nursery.children()]


def test_a_killed_worker_costs_a_retry_and_no_result(finished, tmp_path):
    killed = []

    def kill_once(event, total):
        if event.node.kind == "train" and event.what == "started" and not killed:
            worker = next(iter(forked()))
            worker.kill()
            killed.append(worker.pid)

    summary = run(raw(), store=tmp_path / "store", on="local", workers=2, listen=kill_once)
    assert killed
    assert summary.complete
    assert everything(tmp_path / "store") == everything(finished)


def test_a_killed_nursery_and_its_workers_cost_a_retry_and_no_result(finished, tmp_path):
    killed = []

    def kill_once(event, total):
        if event.node.kind == "train" and event.what == "started" and not killed:
            killed.append(forked()[0].parent())
            killed[0].kill()

    summary = run(raw(), store=tmp_path / "store", on="local", workers=2, listen=kill_once)
    assert killed
    assert summary.complete
    assert everything(tmp_path / "store") == everything(finished)


def test_an_idle_worker_that_died_is_replaced(tmp_path):
    plan, store = plan_study(load_study(raw())), Store(tmp_path / "store")
    [data, *_] = plan.nodes.values()
    with closing(Local(store.root, "cpu", 1)) as runner:
        for _ in range(2):
            runner.start(data)
            [outcome] = runner.wait()
            assert not outcome.error
            [worker] = runner._workers
            os.kill(worker.process.pid, signal.SIGKILL)
            time.sleep(0.2)


def test_a_node_that_kills_every_worker_is_recorded_and_the_rest_goes_on(tmp_path):
    class Deadly(Local):
        def start(self, node):
            super().start(node)
            if node.kind == "prune":
                os.kill(next(w for w in self._workers if w.node is node).process.pid, signal.SIGKILL)

    plan, store = plan_study(load_study(raw())), Store(tmp_path / "store")
    runner = Deadly(store.root, "cpu", 2)
    events = list(drive(plan.nodes.values(), runner))
    runner.close()
    failed = [event for event in events if event.what == "failed"]
    assert len(failed) == sum(node.kind == "prune" for node in plan.nodes.values()) - 2
    assert all("died 3 times" in event.hint for event in failed)
    assert sum(event.what == "done" and event.node.kind == "measure" for event in events) == 2


@pytest.mark.parametrize(("name", "told"), [("cuda:99", "not there"), ("tpu", "unknown device"), ("cpu:1", "unknown")])
def test_devices_that_are_not_there_are_refused(name, told):
    with pytest.raises(PrunescopeError, match=told):
        pick_device(name)
    assert pick_device("auto") in {"cpu", "cuda"}


@pytest.mark.parametrize(
    ("arguments", "told"), [({"on": "lokal"}, "did you mean 'local'"), ({"workers": 0}, "too few workers")]
)
def test_a_runner_that_makes_no_sense_is_refused_before_anything_is_written(arguments, told, tmp_path):
    with pytest.raises(PrunescopeError, match=told):
        run(raw(), store=tmp_path / "store", **arguments)
    assert not (tmp_path / "store").exists()


def test_threads_are_as_before_after_an_inline_run(finished):
    before = torch.get_num_threads()
    run(raw(measures=["calibration"]), store=finished, on="inline")
    assert torch.get_num_threads() == before
