"""A live display of a running study where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from prunescope.study.runners import Event

PLAIN_SECONDS = 5.0


class Display:
    """Shows what runs, done of total, and the time left; a context manager around a run."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, stderr=False)
        self._live = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
        )
        self._task = self._live.add_task("planning", total=None)
        self._running: dict[str, str] = {}
        self._total = 0
        self._ended, self._began, self._last = 0, time.monotonic(), time.monotonic()

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
        if event.what == "started":
            self._running[event.node.key] = event.node.kind
        else:
            self._running.pop(event.node.key, None)
            self._ended += 1
        if event.what == "failed":
            self._console.print(f"failed: {event.node.kind} {event.node.key[:12]}: {event.hint}", markup=False)
        kinds = sorted(self._running.values())
        now = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        self._live.update(self._task, total=total, completed=self._ended, description=now)
        if not self._console.is_terminal and (time.monotonic() - self._last >= PLAIN_SECONDS):
            self._last = time.monotonic()
            self._console.print(
                f"{self._ended} of {total} nodes, {self._left(total)} left; running: {now}", markup=False
            )

    def __str__(self) -> str:
        """Tell how much has ended."""
        return f"{self._ended} of {self._total} nodes" if self._total else "0 nodes"

    def _left(self, total: int) -> str:
        elapsed = time.monotonic() - self._began
        return spelled(elapsed * (total - self._ended) / self._ended) if self._ended else "unknown time"


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
