"""The store: a folder of content-addressed artefacts, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import prunescope
from prunescope.core.config import canonical_json, fingerprint
from prunescope.core.errors import PrunescopeError
from prunescope.study.files import flush, sha256_of, write_atomically
from prunescope.study.journal import Journal, unwritable

FORMAT = 1
TENSORS, CONTENT, SPEC, MANIFEST = "tensors.safetensors", "content.json", "spec.json", "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """What a node leaves: tensors and plain data."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """Artefacts by kind and key below one folder.

    An artefact is a folder ``<kind>/<first two of key>/<key>`` with ``spec.json`` (the complete specification),
    ``tensors.safetensors``, ``content.json`` and ``manifest.json`` (checksums, versions, device, wall time). It is
    written beside its place, flushed to disk, and renamed once; whoever renames second discards its copy.

    Raises:
        PrunescopeError: for a folder that is not a store, or one written by a newer version.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()
        self.journal = Journal(self.root)
        marker = self.root / "store.json"
        if marker.is_file():
            self._check_format(marker)
        elif self.root.exists() and not self._is_empty():
            raise PrunescopeError("not a prunescope store", expected="a store or an empty folder", where=str(root))

    def folder(self, kind: str, key: str) -> Path:
        """Return where an artefact lies or would lie."""
        return self.root / kind / key[:2] / key

    def has(self, kind: str, key: str) -> bool:
        """Return whether the artefact is there."""
        return (self.folder(kind, key) / MANIFEST).is_file()

    def matches(self, kind: str, key: str, spec: str) -> bool:
        """Return whether the artefact is there, made by this complete specification.

        Options that did not exist when it was made are taken to stand at what it was made with.

        Raises:
            PrunescopeError: when it was made under another default: the same key would mean two things.
        """
        try:
            stored = (self.folder(kind, key) / SPEC).read_text("utf-8")
        except OSError:
            return False
        difference = "" if stored == spec else _changed_default(json.loads(stored), json.loads(spec))
        if difference:
            raise PrunescopeError(
                "an option's default changed since this artefact was made",
                got=difference,
                where=f"{kind} {key[:12]}",
                remedy="Write the old value into the study file, or use a new store",
            )
        return True

    def read(self, kind: str, key: str) -> Artefact:
        """Load an artefact; tensors are mapped into memory, not copied, and only plain data checked byte by byte.

        Raises:
            PrunescopeError: when it is missing, truncated or foreign.
        """
        folder = self.folder(kind, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            for name, entry in manifest["files"].items():
                size = (folder / name).stat().st_size
                if size != entry["bytes"]:
                    raise PrunescopeError("truncated artefact", expected=f"{entry['bytes']} bytes", got=size)
            tensors = load_file(folder / TENSORS) if TENSORS in manifest["files"] else {}
            content = _content(folder, manifest["files"][CONTENT]) if CONTENT in manifest["files"] else {}
        except PrunescopeError as error:
            raise _damaged(error.problem, error.got, folder) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise _damaged("unreadable artefact", error, folder) from None
        return Artefact(tensors=tensors, content=content)

    def write(
        self, kind: str, key: str, spec: str, artefact: Artefact, *, seconds: float, device: str, siblings: int = 1
    ) -> None:
        """Write an artefact so that it appears whole or not at all; a present one is left as it is.

        Args:
            kind: of artefact.
            key: of the node.
            spec: its complete specification.
            artefact: what is written.
            seconds: that it took.
            device: where.
            siblings: how many networks were made at once.
        """
        self.open()
        target = self.folder(kind, key)
        partial = target.with_name(f".{key}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            partial.mkdir(parents=True)
            self._fill(partial, spec, artefact, {"seconds": round(seconds, 4), "device": device, "siblings": siblings})
            _rename(partial, target)
        except (OSError, SafetensorError) as error:
            raise unwritable(self.root, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.journal.finished(key)

    def open(self) -> None:
        """Make the folder and its marker if they are not there yet.

        Raises:
            PrunescopeError: when it cannot be made.
        """
        marker = self.root / "store.json"
        if not marker.is_file():
            about = {"format": FORMAT, "prunescope": prunescope.__version__}
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                write_atomically(marker, canonical_json(about).encode())
            except OSError as error:
                raise unwritable(self.root, error) from None

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        """Return the manifest of an artefact that is there."""
        return dict(json.loads((self.folder(kind, key) / MANIFEST).read_text("utf-8")))

    def wall_times(self) -> Iterator[tuple[str, float]]:
        """Yield kind of node and seconds of every artefact."""
        for folder in self.folders():
            kind = json.loads((folder / SPEC).read_text("utf-8"))["kind"]
            yield str(kind), float(json.loads((folder / MANIFEST).read_text("utf-8"))["seconds"])

    def folders(self) -> Iterator[Path]:
        """Yield the folder of every artefact."""
        for folder in sorted(self.root.glob("*/??/*")):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder

    def damaged(self) -> Iterator[tuple[str, str]]:
        """Yield ``(path below the store, what is wrong)`` of every artefact whose checksums do not hold."""
        for folder in self.folders():
            wrong = _what_is_wrong(folder)
            if wrong:
                yield str(folder.relative_to(self.root)), wrong

    def leftovers(self) -> list[Path]:
        """Return what killed writers left behind; harmless."""
        return sorted([*self.root.glob("*/??/.*.tmp"), *self.root.glob("partial/.*.tmp"), *self.root.glob(".*.tmp")])

    def _is_empty(self) -> bool:
        """Return whether nothing but what a writer killed at its very beginning left is there."""
        return self.root.is_dir() and all(path.name.startswith(".store.json.") for path in self.root.iterdir())

    def _fill(self, folder: Path, spec: str, artefact: Artefact, made: Mapping[str, Any]) -> None:
        if artefact.tensors:
            save_file({n: t.detach().cpu().contiguous() for n, t in artefact.tensors.items()}, folder / TENSORS)
        if artefact.content:
            (folder / CONTENT).write_text(canonical_json(artefact.content), "utf-8")
        (folder / SPEC).write_text(spec, "utf-8")
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(folder.iterdir())}
        manifest = {
            "files": files,
            **made,
            "time": time.time(),
            "versions": {
                "prunescope": prunescope.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }
        (folder / MANIFEST).write_text(canonical_json({**manifest, "digest": fingerprint(manifest)}), "utf-8")
        for path in folder.iterdir():
            flush(path)
        flush(folder)

    def _check_format(self, marker: Path) -> None:
        try:
            written = int(json.loads(marker.read_text("utf-8"))["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PrunescopeError("not a prunescope store", got=error, where=str(marker)) from None
        if written > FORMAT:
            raise PrunescopeError(
                "this store was written by a newer prunescope",
                expected=f"format ≤ {FORMAT}",
                got=written,
                where=str(self.root),
                remedy="Upgrade prunescope or use another --store",
            )


def _content(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    raw = (folder / CONTENT).read_bytes()
    if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
        raise PrunescopeError(f"{CONTENT}: checksum differs")
    return dict(json.loads(raw))


def _rename(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        if not (target / MANIFEST).is_file():
            raise
    flush(target.parent)


def _what_is_wrong(folder: Path) -> str:
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest.pop("digest") != fingerprint(manifest):
            return f"{MANIFEST}: checksum differs"
        for name, entry in manifest["files"].items():
            if sha256_of(folder / name) != entry["sha256"]:
                return f"{name}: checksum differs"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"unreadable: {error}"
    return ""


def _damaged(problem: str, got: object, folder: Path) -> PrunescopeError:
    return PrunescopeError(
        problem, got=got, where=str(folder), remedy="`prunescope doctor --repair` removes it; run again"
    )


def _changed_default(stored: Any, asked: Any, path: str = "") -> str:
    """Return the first option whose stored value is another one now; empty when there is none."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for name in sorted(stored):
            difference = _changed_default(stored[name], asked.get(name), f"{path}.{name}" if path else name)
            if difference:
                return difference
        return ""
    return "" if stored == asked else f"{path}: stored {stored!r}, now {asked!r}"
