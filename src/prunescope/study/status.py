"""Status: how far a study is, from what lies in its store, whoever runs it and wherever."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.study.display import spelled
from prunescope.study.plan import Plan, plan_study
from prunescope.study.run import default_store, estimated, needed
from prunescope.study.store import Store
from prunescope.study.study import Reference, load_study

STATES = ("done", "running", "failed", "blocked", "waiting")


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a study is.

    Attributes:
        counts: by kind of node and by :data:`STATES`; ``done`` counts what is there or no longer needed.
        running: the words of the nodes that run: key, kind, host, process and when they began.
        failed: message by key.
        left: processor seconds of what is not done, None until one of each kind has run.
    """

    counts: Mapping[str, Mapping[str, int]]
    running: tuple[Mapping[str, Any], ...]
    failed: Mapping[str, str]
    left: float | None

    def __str__(self) -> str:
        """Tell it in lines."""
        lines = [" ".join([f"{'':<14}", *(f"{state:>8}" for state in STATES)])]
        lines += [
            " ".join([f"{kind:<14}", *(f"{states.get(state, 0):>8}" for state in STATES)])
            for kind, states in self.counts.items()
        ]
        for word in self.running:
            where = f"on {word['host']}, process {word['process']}"
            lines.append(f"running: {word['kind']} {word['key'][:12]} {where}, for {spelled(_since(word))}")
        lines += [f"failed: {key[:12]}: {message}" for key, message in self.failed.items()]
        left = "unknown until one of each kind has run" if self.left is None else f"{spelled(self.left)} of processor"
        return "\n".join([*lines, f"left: {left}"])


def status(study: Reference, *, size: str = "tiny", store: str | Path | None = None) -> Status:
    """Return how far a study is.

    Args:
        study: a preset's name, a YAML file, a mapping, or what ``load_study`` made of one.
        size: ``tiny``, ``small`` or ``paper``.
        store: folder of artefacts.
    """
    plan, place = plan_study(load_study(study, size=size)), Store(store or default_store())
    todo = {node.key for node in needed(plan, place)}
    running = {word["key"]: word for word in place.journal.words() if word["key"] in todo and _alive(word)}
    failed = {key: record["message"] for key in todo if (record := place.journal.failure(key)) and key not in running}
    states = _states(plan, todo, running, failed)
    counts: dict[str, Counter[str]] = {}
    for key, node in plan.nodes.items():
        counts.setdefault(node.kind, Counter())[states.get(key, "done")] += 1
    return Status(
        counts=counts, running=tuple(running.values()), failed=failed, left=estimated(plan, place, todo - failed.keys())
    )


def _states(plan: Plan, todo: set[str], running: Mapping[str, Any], failed: Mapping[str, str]) -> dict[str, str]:
    """Return the state of what is not done; nodes stand after their inputs, so one pass finds what is blocked."""
    states: dict[str, str] = {}
    for key, node in plan.nodes.items():
        if key in running:
            states[key] = "running"
        elif key in failed:
            states[key] = "failed"
        elif key in todo:
            lost = any(states.get(k) in ("failed", "blocked") for k in node.input_keys())
            states[key] = "blocked" if lost else "waiting"
    return states


def _alive(word: Mapping[str, Any]) -> bool:
    """Return whether the process that left the word lives; of another machine it is taken to."""
    processes = Path("/proc")
    here = word["host"] == platform.node() and (processes / "self").exists()
    return not here or (processes / str(word["process"])).exists()


def _since(word: Mapping[str, Any]) -> float:
    """Return the seconds since a node began, not below 0 though a clock was set back."""
    return max(0.0, time.time() - float(word["time"]))
