"""Doctor: what is installed, what devices are there, and whether the store is whole."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import prunescope
from prunescope.study.store import Store

EXTRAS = {"ray": "ray", "umap": "umap-learn", "onnx": "onnxruntime", "timm": "timm"}
CORE = ("torch", "numpy", "scipy", "scikit-learn", "pydantic", "safetensors", "datasets", "altair", "torch-pruning")


@dataclass(frozen=True, kw_only=True)
class Health:
    """What a look at a store found."""

    artefacts: int
    damaged: tuple[tuple[str, str], ...]
    leftovers: int
    repaired: bool

    def __str__(self) -> str:
        """Tell the health in one line."""
        state = "removed" if self.repaired else "found"
        damage = f"{len(self.damaged)} damaged {state}, {self.leftovers} leftovers of killed writers {state}"
        return f"{self.artefacts} artefacts, {damage}"


def environment() -> list[tuple[str, str]]:
    """Return name and state of the package, its dependencies, extras and devices."""
    rows = [("prunescope", prunescope.__version__), ("python", platform.python_version())]
    rows += [(name, _version(name) or "missing") for name in CORE]
    for extra, package in EXTRAS.items():
        rows.append((f"[{extra}]", _version(package) or f"not installed (pip install 'prunescope[{extra}]')"))
    rows.append(("cpu", f"{os.cpu_count()} cores"))
    rows += [(f"cuda:{i}", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        rows.append(("mps", "available"))
    return rows


def examine(root: str | Path, *, repair: bool = False) -> Health:
    """Check every artefact's checksums; with ``repair`` remove the damaged, so that the next run makes them again."""
    store = Store(root)
    damaged = tuple(store.damaged())
    leftovers = store.leftovers()
    if repair:
        for path, _ in damaged:
            shutil.rmtree(store.root / path)
        for leftover in leftovers:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    count = sum(1 for _ in store.folders())
    return Health(artefacts=count, damaged=damaged, leftovers=len(leftovers), repaired=repair)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
