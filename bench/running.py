"""What a runner costs a node, and populations on Ray beside worker processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.runners import Inline, Local, Ray, Runner, drive
from prunescope.study.study import Study, load_study

TINY = 500  # nodes that only draw the weights of a small network and write them
MANY = 10_000
NETWORKS = 48


def rows() -> Iterator[tuple[str, float, float]]:
    """Yield seconds a node beside their limit, and a population on Ray beside worker processes."""
    yield overhead("inline", lambda root: Inline(root, "cpu"), TINY, limit=0.010)
    yield overhead("local, 2 workers", lambda root: Local(root, "cpu", 2), TINY, limit=0.010)
    yield overhead("local, 2 workers", lambda root: Local(root, "cpu", 2), MANY, limit=0.010)
    yield overhead("ray, 2 workers", lambda root: Ray(root, "cpu", workers=2), TINY, limit=0.030)
    yield population()


def overhead(name: str, make: Callable[[Path], Runner], count: int, limit: float) -> tuple[str, float, float]:
    """Perform tiny nodes, all of their work counted as overhead; starting workers is not."""
    study = {"name": "tiny", "data": "digits", "model": {"mlp": {"hidden": [2]}}, "seeds": count, "measures": []}
    plan = plan_study(load_study({**study, "views": [], "recipes": {"dense": [{"reset_optimizer": {}}]}}))
    tiny = [node for node in plan.nodes.values() if node.kind in ("data", "init")][: count + 1]
    with tempfile.TemporaryDirectory() as folder:
        runner = make(Path(folder) / "store")
        began = None
        for event in drive(tiny, runner):
            if event.what == "done" and began is None:
                began = time.perf_counter()
        assert began is not None
        seconds = (time.perf_counter() - began) / count
        runner.close()
    return f"a node of {count}, {name}: plan, perform, write (peer: limit)", seconds, limit


def population() -> tuple[str, float, float]:
    """Train the digits population on a Ray that runs already and in worker processes (limit: 1.3 times as long)."""
    import ray

    seconds = {}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    for on in ("ray", "local"):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            assert run(digits_study(), store=Path(folder) / "store", on=on, workers=2).complete
            seconds[on] = time.perf_counter() - began
    ray.shutdown()
    return "population of digits networks on ray (peer: worker processes × 1.3)", seconds["ray"], 1.3 * seconds["local"]


def digits_study() -> Study:
    """Return the demo's dense networks with their accuracy, many of them."""
    demo = load_study("demo")
    changes = {
        "seeds": tuple(range(NETWORKS)),
        "recipes": {"dense": demo.recipes["dense"]},
        "measures": tuple(measure for measure in demo.measures if measure.member_name == "accuracy"),
    }
    return demo.model_copy(update=changes)
