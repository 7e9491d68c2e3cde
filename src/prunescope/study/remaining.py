"""How much of a run is left, judged by what nodes of each kind took so far."""

from __future__ import annotations

from collections import Counter, defaultdict

from prunescope.study.runners import Event

# What a node of a kind that none has ended of weighs, against the average one.
UNSEEN = {"measure": 0.05, "latency": 0.05}


class Remaining:
    """Weighs done and outstanding work; nodes of one kind weigh what they took on average.

    Example:
        >>> from prunescope.study.node import make_node
        >>> first, second = (make_node("train", {"seed": s}, {}, {}) for s in (0, 1))
        >>> left = Remaining()
        >>> for node in (first, second):
        ...     left.take(Event(what="planned", node=node))
        >>> left.take(Event(what="done", node=first, seconds=8.0))
        >>> left.share, left.seconds(elapsed=9.0)
        (0.5, 9.0)
    """

    def __init__(self) -> None:
        self._left: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._spent: dict[str, float] = defaultdict(float)
        self._running: dict[str, tuple[str, float]] = {}

    def take(self, event: Event) -> None:
        """Take in one event."""
        kind, key = event.node.kind, event.node.key
        if event.what == "planned":
            self._left[kind] += 1
        elif event.what == "running":
            self._running[key] = kind, event.share
        elif event.what in ("done", "failed", "blocked"):
            self._running.pop(key, None)
            self._left[kind] -= 1
            self._ended[kind] += 1
            self._spent[kind] += event.seconds

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1."""
        weights = self._weights()
        done = sum(weights[kind] * count for kind, count in self._ended.items())
        done += sum(weights[kind] * share for kind, share in self._running.values())
        whole = sum(weights[kind] * (self._left[kind] + self._ended[kind]) for kind in weights)
        return done / whole if whole else 0.0

    def seconds(self, elapsed: float) -> float | None:
        """Return the seconds left at the pace of ``elapsed``, None while nothing tells."""
        return elapsed * (1 / self.share - 1) if self.share else None

    def _weights(self) -> dict[str, float]:
        kinds = self._left.keys() | self._ended.keys()
        known = {kind: self._spent[kind] / self._ended[kind] for kind in kinds if self._ended[kind]}
        average = max(known.values(), default=1.0) or 1.0
        return {kind: known.get(kind, average * UNSEEN.get(kind, 1.0)) for kind in kinds}
