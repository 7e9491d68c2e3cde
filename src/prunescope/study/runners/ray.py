"""Ray: nodes as tasks on a cluster, artefacts through a store that every machine sees."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from prunescope.core.errors import PrunescopeError
from prunescope.study.node import Node
from prunescope.study.store import Store
from prunescope.study.work import Outcome, perform

RETRIES = 2
QUEUED = 2  # tasks for each processor: Ray begins the next one without asking here first


class Ray:
    """Sends each node as a Ray task to the machine that has room; Ray repeats it when worker or machine is lost.

    Without an address, and without ``RAY_ADDRESS``, a Ray of its own starts on this machine and ends with the run.

    Args:
        root: of the store; the same folder on every machine.
        device: ``auto`` takes GPUs where the cluster has them.
        address: ``host:port`` or ``ray://host:port`` of a running Ray, empty for none.
        workers: processors of a Ray that starts here; all by default.

    Raises:
        PrunescopeError: without the extra, when no Ray answers, or when a machine does not see the store.
    """

    def __init__(self, root: Path, device: str, address: str = "", workers: int | None = None) -> None:
        self._ray, self._root, self._device = _imported(), root, device
        self._pending: dict[Any, Node] = {}
        self._own = not self._ray.is_initialized()
        if self._own:
            self._join(address or os.environ.get("RAY_ADDRESS", ""), workers)
        Store(root).open()
        self._check_store()
        resources = self._ray.cluster_resources()
        self._limit = QUEUED * max(1, int(resources.get("CPU", 1)))
        self._gpus = device != "cpu" and resources.get("GPU", 0) > 0
        self._task = self._ray.remote(_perform)

    def free(self, node: Node) -> bool:
        """Return whether a processor might otherwise wait."""
        return len(self._pending) < self._limit

    def start(self, node: Node) -> None:
        """Submit the node with what it declares."""
        share = node.gpu if self._gpus else 0
        task = self._task.options(num_cpus=1, num_gpus=share, max_retries=RETRIES, name=f"{node.kind} {node.key[:12]}")
        self._pending[task.remote(node, str(self._root), "cpu" if not share else self._device)] = node

    def wait(self) -> list[Outcome]:
        """Return the outcomes of the tasks that ended."""
        self._ray.wait(list(self._pending), num_returns=1)
        ready, _ = self._ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        return [self._outcome(reference) for reference in ready]

    def close(self) -> None:
        """Stop what runs, and the Ray that started here."""
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        self._pending.clear()
        if self._own:
            self._ray.shutdown()

    def _outcome(self, reference: Any) -> Outcome:
        node = self._pending.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            hint = f"its worker or machine was lost {RETRIES + 1} times: {str(error).strip().splitlines()[0]}"
            if not node.members:
                Store(self._root).journal.record_failure(node.key, node.kind, hint, str(error))
            return Outcome(key=node.key, seconds=0.0, error=hint, hint=hint)
        return outcome

    def _join(self, address: str, workers: int | None) -> None:
        where = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        try:
            self._ray.init(**where, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            told = str(error).strip().splitlines()[0][:200]
            remedy = "`ray status` on that machine tells whether one runs; without an address one starts here"
            raise PrunescopeError("no Ray answers", got=told, where=f"--on ray: {address}", remedy=remedy) from None

    def _seen(self, answer: Any) -> bool:
        """Return what a machine answered; one that was lost meanwhile will perform nothing."""
        try:
            return bool(self._ray.get(answer))
        except self._ray.exceptions.RayError:
            return True

    def _check_store(self) -> None:
        """Let every machine look for a file written here."""
        token = self._root / f".seen-{uuid.uuid4().hex[:8]}.tmp"
        token.touch()
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look = self._ray.remote(_sees)
        names = {m["NodeID"]: m["NodeManagerHostname"] for m in self._ray.nodes() if m["Alive"]}
        places = [affinity(machine, soft=False) for machine in names]
        answers = [look.options(num_cpus=0, scheduling_strategy=place).remote(str(token)) for place in places]
        try:
            seen = [self._seen(answer) for answer in answers]
        finally:
            token.unlink()
        blind = ", ".join(name for name, sees in zip(names.values(), seen, strict=True) if not sees)
        if blind:
            remedy = "Put --store on a file system that all machines mount at the same path"
            raise PrunescopeError("machines do not see the store", got=blind, where=str(self._root), remedy=remedy)


def _perform(node: Node, root: str, device: str) -> Outcome:
    """Perform a node in a worker of Ray, which gives it one thread and shows it its GPU alone."""
    torch.set_num_threads(1)
    cuda = device != "cpu" and torch.cuda.is_available()
    return perform(node, Path(root), "cuda" if cuda else "cpu")


def _sees(path: str) -> bool:
    return Path(path).is_file()


def _imported() -> ModuleType:
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise PrunescopeError(
            "Ray is not installed", where="--on ray", remedy="pip install 'prunescope[ray]'"
        ) from None
    return ray
