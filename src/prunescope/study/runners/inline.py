"""Inline: one node after another in this process, for a debugger and for plans of one node."""

from __future__ import annotations

from pathlib import Path

import torch

from prunescope.study.node import Node
from prunescope.study.work import Outcome, perform


class Inline:
    """Performs each node when it is started, with one thread as the workers do unless told otherwise."""

    def __init__(self, root: Path, device: str, threads: int = 1) -> None:
        self._root, self._device, self._threads = root, device, threads
        self._ended: list[Outcome] = []

    def free(self) -> bool:
        """Return True while no outcome waits."""
        return not self._ended

    def start(self, node: Node) -> None:
        """Perform the node."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            self._ended.append(perform(node, self._root, self._device))
        finally:
            torch.set_num_threads(threads)

    def wait(self) -> list[Outcome]:
        """Return the outcomes since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Nothing runs between calls."""
