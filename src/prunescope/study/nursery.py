"""Nursery: a process that imports what workers need, once, and forks them; they share its memory and begin at once."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections import deque
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path

# The imports make a million objects that stay; a collector that looks through them again and again takes 0.3 s.
CODE = "import gc; gc.disable(); from prunescope.study.runners.worker import main; main()"
SETTINGS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {
    # A training step frees what the next one takes. glibc would give it back to the system each time, and take it anew.
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}


class Nursery:
    """Starts the process, and asks it for workers; what is asked while it still imports is done when it has.

    It is a command of its own: the caller's main module is not imported in it, so that a script or a notebook needs
    no guard, and nothing that the caller has set or started is in the workers. All of them end with the caller.
    """

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", CODE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | SETTINGS,
            process_group=0,
        )
        theirs.close()
        self._unborn: deque[Child] = deque()

    def begin(self, root: Path, device: str) -> Child:
        """Ask for a worker of a store on a device.

        Raises:
            OSError: when the process has ended.
        """
        ours, theirs = Pipe()
        child = Child(self, ours)
        self._pipe.send((str(root), device))
        send_handle(self._pipe, theirs.fileno(), self._process.pid)
        theirs.close()
        self._unborn.append(child)
        return child

    def meet(self) -> None:
        """Wait until all workers that were asked for are there, which gives them their process numbers.

        Raises:
            EOFError: when the process has ended.
        """
        while self._unborn:
            self._unborn[0].number = self._pipe.recv()
            self._unborn.popleft()

    def end(self, child: Child) -> int | None:
        """Kill a worker and return its exit code; None when nobody can tell any more."""
        try:
            self.meet()
            self._pipe.send(child.number)
            code: int = self._pipe.recv()
        except (OSError, EOFError):
            return None
        return code

    def close(self) -> None:
        """Kill the process and all workers."""
        self._pipe.close()
        if self._process.returncode is None:  # otherwise the number may be that of others by now
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


_EARLY: list[Nursery] = []


def begin_early() -> None:
    """Begin a nursery before anybody needs it: it imports while the caller does."""
    _EARLY.append(Nursery())
    atexit.register(_EARLY[0].close)


def take_nursery() -> Nursery:
    """Return the nursery that began early, once, or a new one."""
    return _EARLY.pop() if _EARLY else Nursery()


class Child:
    """A worker process: our end of its pipe, and its process number when it is there."""

    def __init__(self, nursery: Nursery, pipe: Connection) -> None:
        self._nursery, self.pipe = nursery, pipe
        self.number: int | None = None

    @property
    def pid(self) -> int | None:
        """Return its process number, None for one that never came to be."""
        if self.number is None:
            try:
                self._nursery.meet()
            except (OSError, EOFError):
                return None
        return self.number

    def kill(self) -> int | None:
        """End it and return its exit code, negative for the signal that killed it; None when nobody can tell."""
        code = self._nursery.end(self)
        self.pipe.close()
        return code
