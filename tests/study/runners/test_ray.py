"""Nodes on Ray: the same bits as in this process, whatever happens to workers and machines."""

import contextlib
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.doctor import examine
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.runners import Ray, drive
from prunescope.study.runners import ray as module
from prunescope.study.store import Store
from prunescope.study.study import load_study
from tests.study.test_plan import raw
from tests.study.test_run import everything

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of its files and sockets
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = tmp_path_factory.mktemp("finished") / "store"
    assert run(raw(), store=store, on="inline").complete
    return store


@pytest.fixture(scope="module")
def cluster():
    """Return a Ray of two machines with one processor each, on this one."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    made.connect()
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.soak
def test_no_ray_at_an_address_is_bad_input(tmp_path):
    where = ["--on", "ray://127.0.0.1:9", "--store", str(tmp_path / "store")]
    told = subprocess.run([sys.executable, "-m", "prunescope", "run", "demo", *where], capture_output=True, text=True)
    assert told.returncode == 2
    assert "no Ray answers" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_finished_study_answers_without_a_ray(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(raw(), store=finished, on="ray").done == 0


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PrunescopeError, match=r"prunescope\[ray\]"):
        run(raw(), store=tmp_path / "store", on="ray")


@pytest.mark.soak
def test_a_python_error_is_not_tried_again_and_the_rest_goes_on(cluster, tmp_path):
    broken = raw(seeds=1)
    fierce = {"train": {"until": "2ep", "batch": 32, "optimizer": {"sgd": {"lr": 1e30}}}}
    broken["recipes"] = {"dense": broken["recipes"]["dense"], "wild": {"from": "dense", "stages": [fierce]}}
    seen = []
    summary = run(broken, store=tmp_path / "store", on="ray", listen=lambda event, total: seen.append(event.what))
    assert seen.count("failed") == 1
    assert all("training diverged" in hint for hint in summary.failed.values())
    assert summary.blocked == 3


@pytest.mark.soak
def test_a_node_that_kills_every_worker_is_recorded(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_perform", lambda node, root, device: sys.exit(9) if node.kind == "init" else None)
    plan = plan_study(load_study(raw(seeds=1, recipes={"dense": raw()["recipes"]["dense"]})))
    store = Store(tmp_path / "store")
    runner = Ray(store.root, "cpu")
    nodes = [node for node in plan.nodes.values() if node.kind == "init"]
    [failed] = [event for event in drive(nodes, runner) if event.what == "failed"]
    runner.close()
    assert "lost 3 times" in failed.hint
    assert store.journal.failure(failed.node.key) is not None


@pytest.mark.soak
def test_a_machine_that_does_not_see_the_store_is_told_of(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_sees", lambda path: False)
    with pytest.raises(PrunescopeError, match="machines do not see the store"):
        run(raw(), store=tmp_path / "store", on="ray")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["store.json"]


def test_two_machines_give_the_same_bits_though_a_worker_and_a_machine_die(cluster, finished, tmp_path):
    lost = []

    def destroy(event, total):
        if event.what == "done" and event.node.kind == "train" and len(lost) == 0:
            lost.append(kill_worker())
        elif event.what == "done" and event.node.kind == "prune" and len(lost) == 1:
            cluster.remove_node(cluster.second, allow_graceful=False)
            lost.append("machine")

    summary = run(raw(), store=tmp_path / "store", on="ray", listen=destroy)
    assert lost[1:] == ["machine"]
    assert summary.complete
    assert everything(tmp_path / "store") == everything(finished)
    assert examine(tmp_path / "store").damaged == ()


@pytest.mark.soak
def test_fifty_workers_and_machines_die_at_random_moments(cluster, finished, tmp_path, record_property):
    """Studies one after another; each is run again, as a person would, until it is complete."""
    faults, rng, stores = {"worker": 0, "machine": 0}, random.Random(0), []

    def studies():
        while sum(faults.values()) < 50:
            stores.append(tmp_path / f"store{len(stores)}")
            while not run(raw(), store=stores[-1], on="ray").complete:
                pass

    with ThreadPoolExecutor() as pool:  # machines can only be added in the main thread
        running = pool.submit(studies)
        while sum(faults.values()) < 50 and not running.done():
            time.sleep(rng.uniform(1, 12))  # longer than a worker takes to start, now and then
            if rng.random() < 0.3:
                cluster.remove_node(cluster.second, allow_graceful=False)
                cluster.second = cluster.add_node(num_cpus=1)
                faults["machine"] += 1
            else:
                faults["worker"] += kill_worker() is not None
        running.result()
    record_property("lost", f"{faults} in {len(stores)} studies")
    assert min(faults.values()) > 5
    for store in stores:
        assert everything(store) == everything(finished)
        assert examine(store).damaged == ()


def kill_worker():
    """Kill a process in which Ray performs nodes, if there is one, and return its number."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended by itself
            title = " ".join(process.cmdline())
            if title.startswith("ray::") and "Agent" not in title and "IDLE" not in title:
                process.kill()
                return process.pid
    return None
