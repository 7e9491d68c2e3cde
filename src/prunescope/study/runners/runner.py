"""The contract of a runner, and the one loop that drives a plan through it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal, Protocol

from prunescope.study.node import Node
from prunescope.study.work import Outcome


class Runner(Protocol):
    """Something that performs nodes, one or many at a time."""

    def free(self) -> bool:
        """Return whether another node may be started."""
        ...

    def start(self, node: Node) -> None:
        """Begin a node whose inputs are in the store."""
        ...

    def wait(self) -> list[Outcome]:
        """Block until at least one started node ended; return all that did."""
        ...

    def close(self) -> None:
        """Stop at once; what runs is lost, what is written stays."""
        ...


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a node."""

    what: Literal["started", "done", "failed", "blocked"]
    node: Node
    seconds: float = 0.0
    hint: str = ""


def drive(nodes: Iterable[Node], runner: Runner) -> Iterator[Event]:
    """Perform the nodes in dependency order; what depends on a failed node is blocked, the rest goes on.

    Args:
        nodes: those not in the store yet; inputs outside this set are taken to be there.
        runner: performs them.
    """
    by_key = {node.key: node for node in nodes}
    sorter = TopologicalSorter({key: [k for k in node.input_keys() if k in by_key] for key, node in by_key.items()})
    sorter.prepare()
    ready: deque[str] = deque()
    lost: dict[str, str] = {}
    while sorter.is_active():
        ready.extend(sorter.get_ready())
        while ready and runner.free():
            node = by_key[ready.popleft()]
            cause = next((key for key in node.input_keys() if key in lost), None)
            if cause is not None:
                lost[node.key] = lost[cause]
                sorter.done(node.key)
                yield Event(what="blocked", node=node, hint=f"waits for {lost[cause][:12]}, which failed")
                ready.extend(sorter.get_ready())
                continue
            runner.start(node)
            yield Event(what="started", node=node)
        for outcome in runner.wait() if sorter.is_active() else ():
            if outcome.error:
                lost[outcome.key] = outcome.key
            sorter.done(outcome.key)
            what: Literal["failed", "done"] = "failed" if outcome.error else "done"
            yield Event(what=what, node=by_key[outcome.key], seconds=outcome.seconds, hint=outcome.hint)
