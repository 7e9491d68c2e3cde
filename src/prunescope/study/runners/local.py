"""Local: worker processes on this machine, one thread each."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import torch

from prunescope.study.memory import BASE, Memory, available, resident
from prunescope.study.node import Node
from prunescope.study.nursery import Child, Nursery, take_nursery
from prunescope.study.store import Store
from prunescope.study.work import Outcome

RETRIES = 2


@dataclass
class _Worker:
    """A worker process, its device, and the node it has."""

    process: Child
    device: str
    node: Node | None = None


class Local:
    """Worker processes, each with one node at a time; when one dies (killed, out of memory) its node is tried again.

    With several GPUs the workers are spread over them, and nodes wait until the shares they declare fit. A node also
    waits while something runs and the machine has no memory for what ``memory`` says that it takes.

    Small networks run fastest with one thread each, and so results do not depend on the number of workers.
    """

    def __init__(self, root: Path, device: str, workers: int, memory: Memory | None = None) -> None:
        self._root, self._limit, self._memory = root, workers, memory
        self._gpus = torch.cuda.device_count() if device == "cuda" else 0
        self._devices = [f"cuda:{i}" for i in range(self._gpus)] or [device]
        self._nursery: Nursery | None = None
        self._workers: list[_Worker] = []
        self._deaths: Counter[str] = Counter()

    def free(self, node: Node) -> bool:
        """Return whether a worker would otherwise wait, no GPU is given away twice, and memory holds the node."""
        busy = [worker.node for worker in self._workers if worker.node is not None]
        shared = sum(node.gpu for node in busy)
        return len(busy) < self._limit and not (self._gpus and shared >= self._gpus) and (not busy or self._holds(node))

    def _holds(self, node: Node) -> bool:
        """Return whether there is memory for the node beside what the running ones will still take."""
        own, left = self._takes(node), available()
        if own is None or left is None:
            return True
        if self._gpus and node.gpu and own > torch.cuda.mem_get_info(self.next_device())[0]:
            return False
        idle = next((worker for worker in self._workers if worker.node is None), None)
        growing = [(self._takes(w.node) or 0, w.process.pid or "none") for w in self._workers if w.node is not None]
        growing += [(own, idle.process.pid or "none")] if idle else []
        new = 0 if idle else BASE + own
        return new + sum(max(0, BASE + size - resident(process)) for size, process in growing) <= left

    def _takes(self, node: Node) -> int | None:
        return None if self._memory is None else self._memory.of(node)

    def next_device(self) -> str:
        """Return the device with the fewest workers."""
        return min(self._devices, key=lambda name: sum(worker.device == name for worker in self._workers))

    def start(self, node: Node) -> None:
        """Send the node to an idle worker, a new one if there is none."""
        worker = next((worker for worker in self._workers if worker.node is None), None) or self._begin()
        try:
            worker.process.pipe.send(node)
        except (BrokenPipeError, ConnectionResetError):  # it died while it had nothing to do
            self._end(worker)
            self.start(node)
        else:
            worker.node = node

    def wait(self) -> list[Outcome]:
        """Return the outcomes of the nodes that ended; what a dying worker had is started again."""
        ended: list[Outcome] = []
        while not ended and any(worker.node is not None for worker in self._workers):
            ready = wait([worker.process.pipe for worker in self._workers if worker.node is not None])
            for worker in [worker for worker in self._workers if worker.process.pipe in ready]:
                ended += self._collect(worker)
        return ended

    def close(self) -> None:
        """Kill the workers."""
        self._workers.clear()
        if self._nursery is not None:
            self._nursery.close()

    def _collect(self, worker: _Worker) -> list[Outcome]:
        node, worker.node = worker.node, None
        assert node is not None
        try:
            outcome: Outcome = worker.process.pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._again(node, self._end(worker))
        return [outcome]

    def _again(self, node: Node, code: int | None) -> list[Outcome]:
        self._deaths[node.key] += 1
        if self._deaths[node.key] <= RETRIES:
            self.start(node)
            return []
        hint = f"its worker process died {self._deaths[node.key]} times, last with exit code {code} (out of memory?)"
        if not node.members:
            Store(self._root).journal.record_failure(node.key, node.kind, hint, hint)
        return [Outcome(key=node.key, seconds=0.0, error=hint, hint=hint)]

    def _begin(self) -> _Worker:
        if self._nursery is None:
            self._nursery = take_nursery()
            if self._limit > 1 and self._memory is not None:
                threading.Thread(target=self._memory.ahead, daemon=True).start()
        device = self.next_device()
        try:
            worker = _Worker(self._nursery.begin(self._root, device), device)
        except OSError:  # it was killed
            self._nursery.close()
            self._nursery = Nursery()
            return self._begin()
        self._workers.append(worker)
        return worker

    def _end(self, worker: _Worker) -> int | None:
        self._workers.remove(worker)
        return worker.process.kill()
