"""The process that forks workers; a worker takes nodes from a pipe, performs them, sends their outcomes back."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

import torch

from prunescope.study.work import perform

WATCH_SECONDS = 1.0


def main() -> None:
    """Fork workers and end them, as asked through the pipe of that number, until its other end closes."""
    pipe, own = Connection(int(sys.argv[1])), os.getpid()
    if not pipe.poll():  # nobody waits yet: import too what only some nodes need
        import_module("sklearn.datasets")
        import_module("sklearn.model_selection")
    gc.freeze()  # what was imported stays, and is shared with the workers
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    while True:
        try:
            asked = pipe.recv()
            if isinstance(asked, int):
                os.kill(asked, signal.SIGKILL)
                pipe.send(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]))
                continue
            descriptor = recv_handle(pipe)
        except (EOFError, ConnectionResetError):
            return
        process = os.fork()
        if not process:
            pipe.close()
            _serve(Connection(descriptor), Path(asked[0]), asked[1], own)
        os.close(descriptor)
        pipe.send(process)


def _serve(pipe: Connection, root: Path, device: str, parent: int) -> None:
    """Perform nodes until the other end closes, or the parent process is gone."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    code = 1
    try:
        while True:
            pipe.send(perform(pipe.recv(), root, device))
    except (EOFError, ConnectionResetError, BrokenPipeError):
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # what is above belongs to the parent


def _end_with(parent: int) -> None:
    """End when the parent does, however that comes, also in the middle of a long node."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
