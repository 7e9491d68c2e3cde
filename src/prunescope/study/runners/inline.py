"""Inline: one node after another in this process, for a debugger and for plans of one node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from prunescope.measures.inference.inference import unwatched
from prunescope.study.node import Node
from prunescope.study.work import Outcome, perform


class Inline:
    """Performs each node when it is started, with one thread as the workers do unless told otherwise.

    ``watch`` is told which share of a node's images has gone through.
    """

    def __init__(
        self, root: Path, device: str, threads: int = 1, watch: Callable[[Node, float], None] | None = None
    ) -> None:
        self._root, self._device, self._threads, self._watch = root, device, threads, watch
        self._ended: list[Outcome] = []

    def free(self, node: Node) -> bool:
        """Return True while no outcome waits."""
        return not self._ended

    def start(self, node: Node) -> None:
        """Perform the node."""
        watch = unwatched if self._watch is None else partial(self._watch, node)
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            self._ended.append(perform(node, self._root, self._device, watch))
        finally:
            torch.set_num_threads(threads)

    def wait(self) -> list[Outcome]:
        """Return the outcomes since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Nothing runs between calls."""
