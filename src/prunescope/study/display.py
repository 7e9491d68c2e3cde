"""A live display of a running study where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from prunescope.study.remaining import Remaining
from prunescope.study.runners import Event

PLAIN_SECONDS = 5.0


class Display:
    """Shows what runs, done of total, and the time left; a context manager around a run."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, stderr=False)
        columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False))
        self._live = Progress(*columns, console=self._console, transient=True)
        self._task = self._live.add_task("planning", total=None)
        self._running: dict[str, str] = {}
        self._remaining = Remaining()
        self._ended, self._total = 0, 0
        self._began = self._last = time.monotonic()

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, event: Event, total: int) -> None:
        """Take in one event of a run of ``total`` nodes."""
        self._total = total
        self._remaining.take(event)
        if event.what in ("started", "running"):
            self._running[event.node.key] = event.node.kind
        elif event.what in ("done", "failed", "blocked"):
            self._running.pop(event.node.key, None)
            self._ended += 1
        if event.what == "failed":
            self._console.print(f"failed: {event.node.kind} {event.node.key[:12]}: {event.hint}", markup=False)
        if event.what != "planned":
            self._tell()

    def __str__(self) -> str:
        """Tell how much has ended."""
        return f"{self._ended} of {self._total} nodes" if self._total else "0 nodes"

    def _tell(self) -> None:
        kinds = sorted(self._running.values())
        now = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        seconds = self._remaining.seconds(time.monotonic() - self._began)
        left = "unknown time" if seconds is None else spelled(seconds)
        line = f"{self}, {left} left; running: {now}"
        if self._console.is_terminal:
            self._live.update(self._task, total=1.0, completed=self._remaining.share, description=line)
        elif time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self._console.print(line, markup=False)


def spelled(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> spelled(42), spelled(150), spelled(7500)
        ('42 s', '2 min 30 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
