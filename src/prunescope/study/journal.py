"""The journal of a store: which nodes run, which failed and why, and the states kept inside long ones."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunescope.core.config import canonical_json
from prunescope.core.errors import PrunescopeError
from prunescope.study.files import write_atomically


class Unwritable(PrunescopeError):
    """The store cannot be written: no space, no permission, or the disk is gone. Nothing more can be computed."""


def unwritable(root: Path, error: OSError | SafetensorError) -> Unwritable:
    """Return the refusal for a failed write below ``root``."""
    told = error.strerror if isinstance(error, OSError) else str(error)
    remedy = "What is in it is whole; make space or permission, then type the same command again"
    return Unwritable("the store cannot be written", got=told, where=str(root), remedy=remedy)


class Journal:
    """Words about nodes beside the artefacts of a store; losing them loses no result."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _failure_path(self, key: str) -> Path:
        """Return where the record of a failed node lies."""
        return self._root / "failed" / f"{key}.json"

    def record_failure(self, key: str, kind: str, message: str, traceback: str) -> None:
        """Write down why a node failed; a later success removes the record."""
        record = {"key": key, "kind": kind, "message": message, "traceback": traceback, "time": time.time()}
        try:
            self._failure_path(key).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._failure_path(key), canonical_json(record).encode())
        except OSError as error:
            raise unwritable(self._root, error) from None

    def failure(self, key: str) -> dict[str, Any] | None:
        """Return the record of a failed node, if there is one."""
        try:
            return dict(json.loads(self._failure_path(key).read_text("utf-8")))
        except (OSError, ValueError):
            return None

    @contextmanager
    def running(self, keys: Sequence[str], kind: str) -> Iterator[None]:
        """Leave word, while nodes run, of where they do."""
        word = {"kind": kind, "host": platform.node(), "process": os.getpid(), "time": time.time()}
        paths = {key: self._root / "running" / f"{key}.json" for key in keys}
        try:
            for key, path in paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(canonical_json({"key": key, **word}), "utf-8")
        except OSError as error:
            raise unwritable(self._root, error) from None
        try:
            yield
        finally:
            for path in paths.values():
                path.unlink(missing_ok=True)

    def words(self) -> Iterator[dict[str, Any]]:
        """Yield the words of nodes that run, or whose process was killed: key, kind, host, process and time."""
        for path in sorted(self._root.glob("running/*.json")):
            with suppress(OSError, ValueError):
                yield dict(json.loads(path.read_text("utf-8")))

    def save_partial(self, key: str, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> None:
        """Keep the state reached inside a long node."""
        path = self._root / "partial" / f"{key}.safetensors"
        draft = path.with_name(f".{key}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(dict(tensors), draft, metadata=dict(meta))
            draft.replace(path)
        except (OSError, SafetensorError) as error:
            draft.unlink(missing_ok=True)
            raise unwritable(self._root, error) from None

    def load_partial(self, key: str) -> tuple[dict[str, Tensor], dict[str, str]] | None:
        """Return the state kept inside a node, None when there is none or it cannot be read."""
        path = self._root / "partial" / f"{key}.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                meta = dict(file.metadata() or {})
                return {name: file.get_tensor(name).clone() for name in file.keys()}, meta  # noqa: SIM118
        except (OSError, SafetensorError):
            return None

    def finished(self, key: str) -> None:
        """Forget the state kept inside a node and its failure, for its artefact is there."""
        (self._root / "partial" / f"{key}.safetensors").unlink(missing_ok=True)
        self._failure_path(key).unlink(missing_ok=True)
