"""The contract of a runner, and the one loop that drives a plan through it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Literal, Protocol

from prunescope.core.errors import PrunescopeError
from prunescope.study.node import Node, gathered
from prunescope.study.work import Outcome

Siblings = int | Literal["auto", "off"]


class Runner(Protocol):
    """Something that performs nodes, one or many at a time."""

    def free(self, node: Node) -> bool:
        """Return whether this node may be started now; always if nothing runs."""
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
    """What happened to a node; ``share`` of its images have gone through while it is running, where that is known."""

    what: Literal["planned", "started", "running", "done", "failed", "blocked"]
    node: Node
    seconds: float = 0.0
    hint: str = ""
    share: float = 0.0


def drive(nodes: Iterable[Node], runner: Runner, jobs: int = 1, siblings: Siblings = "off") -> Iterator[Event]:
    """Perform the nodes in dependency order; what depends on a failed node is blocked, the rest goes on.

    Siblings wait for each other's inputs and are dealt to ``jobs`` pieces of work; a piece that fails, or is found to
    be faster that way, is taken apart and each of its nodes performed alone: a failure is that of the node it is of.

    Args:
        nodes: those not in the store yet; inputs outside this set are taken to be there.
        runner: performs them.
        jobs: how many pieces of work run at the same time.
        siblings: how networks are trained whose result at once is only close to that alone: one by one (``off``), that
            many at once, or dealt to the jobs, each of which measures whether at once is faster (``auto``).

    Raises:
        PrunescopeError: when the store cannot be written.
    """
    by_key = {node.key: replace(node, siblings="") if node.close and siblings == "off" else node for node in nodes}
    sorter = TopologicalSorter(_awaited(by_key))
    sorter.prepare()
    ready: deque[Node] = deque()
    running: dict[str, Node] = {}
    lost: dict[str, str] = {}
    while sorter.is_active():
        fresh = [by_key[key] for key in sorter.get_ready()]
        causes = {node.key: key for node in fresh for key in node.input_keys() if key in lost}
        ready.extend(_dealt([node for node in fresh if node.key not in causes], jobs, siblings))
        for key, cause in causes.items():
            lost[key] = lost[cause]
            sorter.done(key)
            yield Event(what="blocked", node=by_key[key], hint=f"waits for {lost[cause][:12]}, which failed")
        while ready and runner.free(ready[0]):
            piece = ready.popleft()
            running[piece.key] = piece
            runner.start(piece)
            yield from (Event(what="started", node=node) for node in piece.each)
        for outcome in runner.wait() if running and not causes else ():
            if outcome.fatal:
                raise PrunescopeError(outcome.hint)
            piece = running.pop(outcome.key)
            if outcome.error and piece.members:
                ready.extendleft(reversed(piece.members))
                continue
            what: Literal["failed", "done"] = "failed" if outcome.error else "done"
            for node in piece.each:
                if outcome.error:
                    lost[node.key] = node.key
                sorter.done(node.key)
                yield Event(what=what, node=node, seconds=outcome.seconds / len(piece.each), hint=outcome.hint)


def _awaited(by_key: Mapping[str, Node]) -> dict[str, set[str]]:
    """Return the nodes that each waits for: its inputs, and those of its siblings."""
    awaited: dict[str, set[str]] = {}
    families: dict[str, set[str]] = {}
    for key, node in by_key.items():
        awaited[key] = families.setdefault(node.siblings, set()) if node.siblings else set()
        awaited[key] |= {k for k in node.input_keys() if k in by_key}
    return awaited


def _dealt(nodes: Sequence[Node], jobs: int, siblings: Siblings) -> Iterator[Node]:
    """Yield pieces of work: siblings in at most ``jobs`` equal parts or in parts of the size asked for."""
    families: dict[str, list[Node]] = {}
    for node in nodes:
        families.setdefault(node.siblings or node.key, []).append(node)
    for family in families.values():
        close = family[0].close
        size = siblings if close and isinstance(siblings, int) else -(-len(family) // jobs)
        parts = (family[first : first + size] for first in range(0, len(family), size))
        yield from (gathered(part, measured=close and siblings == "auto") for part in parts)
