"""A worker process: takes nodes from a pipe, performs them, sends their outcomes back."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from prunescope.study.work import perform

WATCH_SECONDS = 1.0


def main() -> None:
    """Serve until the other end closes, or the parent process is gone; all is told by the command line."""
    descriptor, root, device, parent = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    gc.freeze()  # what was imported stays
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; Ctrl-C reaches the whole group
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    pipe = Connection(descriptor)
    while True:
        try:
            node = pipe.recv()
        except EOFError:
            return
        pipe.send(perform(node, root, device))


def _end_with(parent: int) -> None:
    """End when the parent does, however that comes, also in the middle of a long node."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
