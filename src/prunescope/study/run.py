"""Run a study, and read what it found."""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.measures.table import COLUMNS, tidy
from prunescope.study.artefacts import read_measurement
from prunescope.study.display import spelled
from prunescope.study.measuring import Planned
from prunescope.study.memory import BASE, Memory, resident
from prunescope.study.node import Node
from prunescope.study.plan import plan_study
from prunescope.study.runners import Event, Inline, Local, Ray, Runner, Siblings, drive
from prunescope.study.store import Store
from prunescope.study.study import Reference, load_study

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_STORE = "prunescope-store"
RUNNERS = ("local", "inline", "ray", "ray://HOST:PORT")
Listener = Callable[[Event, int], None]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run ended."""

    cached: int
    done: int
    failed: Mapping[str, str]
    blocked: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Return whether every node is in the store."""
        return not self.failed and not self.blocked

    def __str__(self) -> str:
        """Tell the summary in one line."""
        ended = f"{self.done} done, {len(self.failed)} failed, {self.blocked} blocked, {self.cached} already there"
        return f"{ended}; {self.seconds:.1f} s"


def default_store() -> str:
    """Return ``PRUNESCOPE_STORE``, or the folder of that name here."""
    return os.environ.get("PRUNESCOPE_STORE", DEFAULT_STORE)


def pick_device(name: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.

    Raises:
        PrunescopeError: for a device that is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in there or (index and (kind != "cuda" or not index.isdigit())):
        raise PrunescopeError("unknown device", expected="auto, cpu, cuda, cuda:i or mps", got=name, where="device")
    if not there[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise PrunescopeError(
            "this device is not there", got=name, where="device", remedy="--device auto takes what is"
        )
    return name


def missing(plan: Planned, store: Store) -> list[Node]:
    """Return the nodes that are not in the store.

    Raises:
        PrunescopeError: when a stored artefact was made under another default.
    """
    return [node for node in plan.nodes.values() if not store.matches(node.artefact, node.key, node.spec)]


def needed(plan: Planned, store: Store) -> list[Node]:
    """Return the missing nodes that something still wanted depends on.

    Measurements and the ends of recipes are wanted; what only led to artefacts that are there is not made again.
    """
    absent = {node.key: node for node in missing(plan, store)}
    wanted = [item.key for item in plan.measured] + [cell.state for cell in plan.cells]
    needed_keys: set[str] = set()
    stack = [key for key in wanted if key in absent]
    while stack:
        key = stack.pop()
        if key not in needed_keys:
            needed_keys.add(key)
            stack += [k for k in absent[key].input_keys() if k in absent]
    return [node for key, node in absent.items() if key in needed_keys]


def run(
    study: Reference,
    *,
    size: str = "tiny",
    store: str | Path | None = None,
    on: str = "local",
    workers: int | None = None,
    device: str = "auto",
    siblings: int | str = "off",
    listen: Listener | None = None,
) -> Summary:
    """Run what is missing of a study and return how it ended; nothing is computed twice.

    Args:
        study: a preset's name, a YAML file, a mapping, or what ``load_study`` made of one.
        size: ``tiny``, ``small`` or ``paper``.
        store: folder of artefacts.
        on: ``local`` (worker processes), ``inline`` (this process), ``ray`` (a Ray that starts here, or the one that
            ``RAY_ADDRESS`` names) or ``ray://HOST:PORT``.
        workers: processes; one for each core by default.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.
        siblings: how networks are trained that differ only by seed: one by one (``off``), that many at once, or at once
            where a trial of a few steps shows that this is faster (``auto``); at once the same up to rounding.
        listen: called with every event and the number of nodes to run.

    Raises:
        PrunescopeError: for anything wrong with the input, before the first node runs.
    """
    plan = plan_study(load_study(study, size=size))
    place = Store(store or default_store())
    jobs, at_once = 1 if on == "inline" else _workers(workers), pick_siblings(siblings)
    begin = runner_of(on, place, device, workers, Memory(plan, place))
    return carry_out(plan, place, begin, jobs=jobs, siblings=at_once, listen=listen)


def pick_siblings(wanted: int | str) -> Siblings:
    """Return how siblings are trained, from a number, also as text, ``auto`` or ``off``.

    Raises:
        PrunescopeError: for anything else.

    Example:
        >>> pick_siblings("16"), pick_siblings("auto")
        (16, 'auto')
    """
    words: dict[int | str, Siblings] = {"auto": "auto", "off": "off"}
    if wanted in words:
        return words[wanted]
    text = str(wanted)
    if not text.isdecimal() or int(text) < 1:
        raise PrunescopeError("unknown number of siblings", expected="≥ 1, auto or off", got=wanted, where="siblings")
    return int(text)


def carry_out(
    plan: Planned,
    store: Store,
    begin: Callable[[], Runner],
    *,
    jobs: int = 1,
    siblings: Siblings = "off",
    listen: Listener | None = None,
) -> Summary:
    """Perform what is missing of a plan, ``jobs`` pieces of work at once; a runner begins if anything is."""
    began = time.perf_counter()
    todo = needed(plan, store)
    store.open()
    counts: dict[str, int] = defaultdict(int)
    failed: dict[str, str] = {}

    def tell(event: Event) -> None:
        counts[event.what] += 1
        if event.what == "failed":
            failed[event.node.key] = event.hint
        if listen is not None:
            listen(event, len(todo))

    if todo:
        with closing(begin()) as runner:
            for node in todo:
                tell(Event(what="planned", node=node))
            for event in drive(todo, runner, jobs, siblings):
                tell(event)
    return Summary(
        cached=len(plan.nodes) - len(todo),
        done=counts["done"],
        failed=failed,
        blocked=counts["blocked"],
        seconds=time.perf_counter() - began,
    )


def runner_of(on: str, store: Store, device: str, workers: int | None, memory: Memory) -> Callable[[], Runner]:
    """Return what begins the runner of that name."""
    count = _workers(workers)
    if on == "inline":
        return partial(Inline, store.root, pick_device(device))
    if on == "local":
        return partial(Local, store.root, pick_device(device), count, memory)
    if on == "ray" or on.startswith("ray://"):
        return partial(Ray, store.root, device, on if "://" in on else "", workers)
    raise unknown_name("runner", on, RUNNERS)


def forecast(study: Reference, *, store: str | Path | None = None, workers: int | None = None) -> str:
    """Tell, by kind, how many nodes are in the store and how many a run would compute, and about how long."""
    plan, place = plan_study(load_study(study)), Store(store or default_store())
    todo = {node.key for node in needed(plan, place)}
    lines = []
    for kind in dict.fromkeys(node.kind for node in plan.nodes.values()):
        keys = [node.key for node in plan.nodes.values() if node.kind == kind]
        lines.append(
            f"{kind:<12} {sum(key in todo for key in keys):>6} to run  {sum(key not in todo for key in keys):>6} cached"
        )
    seconds = estimated(plan, place, todo)
    spent = "unknown until one of each kind has run" if seconds is None else spelled(seconds / _workers(workers))
    return "\n".join(
        [
            *lines,
            f"{'all':<12} {len(todo):>6} to run  {len(plan.nodes) - len(todo):>6} cached",
            f"time: {spent}",
            f"memory: {_taken(plan, place, todo)}",
        ]
    )


def _taken(plan: Planned, store: Store, todo: set[str]) -> str:
    """Tell the memory of a worker for the node that takes most, and of this process, which has read the plan too."""
    most = Memory(plan, store).most(todo) if todo else (BASE, "none")
    worker = "unknown until the data are there" if most is None else f"about {most[0] / 1e9:.1f} GB ({most[1]})"
    return f"a worker {worker}, the runner {resident() / 1e9:.1f} GB"


def estimated(plan: Planned, store: Store, todo: set[str]) -> float | None:
    """Return the processor seconds of ``todo`` from the median wall time of nodes of its kinds in the store."""
    known: dict[str, list[float]] = defaultdict(list)
    for kind, seconds in store.wall_times() if todo else ():
        known[kind].append(seconds)
    kinds = [plan.nodes[key].kind for key in todo]
    return None if set(kinds) - set(known) else sum(statistics.median(known[kind]) for kind in kinds)


def results(
    study: Reference,
    *,
    size: str = "tiny",
    store: str | Path | None = None,
) -> pd.DataFrame:
    """Return the tidy table of a study: one row for each value of each measurement in the store.

    Raises:
        PrunescopeError: when nothing of the study has been measured yet.
    """
    return table_of(rows_of(plan_study(load_study(study, size=size)), Store(store or default_store())))


def rows_of(plan: Planned, store: Store) -> list[dict[str, Any]]:
    """Return the tidy rows of a plan; what does not apply is None."""
    rows = []
    for item in plan.measured:
        if store.has("measure", item.key):
            place = {name: getattr(item, name) for name in ("recipe", "level", "sparsity", "view")}
            measurement = read_measurement(store, item.key)
            rows += tidy(item.measure, measurement, study=plan.name, seeds=len(item.seeds), **place)
    if not rows:
        remedy = f"prunescope run {plan.name}"
        raise PrunescopeError("nothing of this study has been measured yet", where=str(store.root), remedy=remedy)
    return rows


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows as a table; seeds stay whole numbers where some rows have none."""
    import pandas as pd  # slow to import, and only tables need it

    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64"})


def _workers(wanted: int | None) -> int:
    if wanted is not None and wanted < 1:
        raise PrunescopeError("too few workers", expected="≥ 1", got=wanted, where="workers")
    return wanted or os.cpu_count() or 1
