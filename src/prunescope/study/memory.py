"""Memory: what the nodes of a plan will take, and what the machine has left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from math import prod
from pathlib import Path

import torch
from torch import nn

from prunescope.data import SOURCES, Outline
from prunescope.measures.inference import INFERENCES
from prunescope.models import MODELS, build
from prunescope.study.measuring import Planned
from prunescope.study.node import Node
from prunescope.study.shown import BATCH_ON_CPU
from prunescope.study.store import TENSORS, Store
from prunescope.training import STAGES, Train
from prunescope.training.footprint import COPIES, look_bytes, parameter_bytes, step_bytes
from prunescope.training.objectives import CrossEntropy, Objective

# What libraries load and set up with the first convolution, measured, see docs/results/scale.md.
LIBRARIES = 100 * 2**20
# Evidence as it is stored, as float64, and once more on the way; data while they are decoded.
READ, DECODED = 4, 3


def resident(process: int | str = "self") -> int:
    """Return the bytes of memory that a process holds, 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


BASE = resident()  # of a process that has imported what a worker imports


def available(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the bytes that may still be taken on this machine and in its control group, None where nobody knows."""
    try:
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        left = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None
    try:
        reclaimable = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())["inactive_file"]
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError, KeyError):  # no control group, or no limit: "max"
        return left
    return min(left, limit - used + int(reclaimable))


class Memory:
    """Estimates for the nodes of a plan; what it needs to know is read from the store, or told by the source."""

    def __init__(self, plan: Planned, store: Store) -> None:
        self._plan, self._store = plan, store
        self._known: tuple[Outline, int] | None = None
        self._model = next((node.payload["model"] for node in plan.nodes.values() if node.kind == "init"), None)
        self._step, self._look, self._left = cache(self._step_bytes), cache(self._look_bytes), cache(self._left_bytes)
        self._network_bytes = cache(lambda: parameter_bytes(self._network()))

    def of(self, node: Node) -> int | None:
        """Return the bytes that a node, or siblings at once, take in a worker beside :data:`BASE`.

        None where that cannot be known: before the data are read, or for a network that was made elsewhere.
        """
        self._known = self._known or self._read() or self._told()
        if self._known is None or self._model is None:
            return None
        outline, data = self._known
        try:
            return LIBRARIES + data + sum(self._own(member, outline, data) for member in node.each)
        except Exception:  # somebody's own network can raise anything on the meta device
            return None

    def ahead(self) -> None:
        """Estimate a training: the first estimate imports for a second, which may pass while workers begin."""
        with suppress(Exception):  # whoever needs the estimate meets it again
            next((self.of(node) for node in self._plan.nodes.values() if node.kind == "train"), None)

    def most(self, keys: Iterable[str]) -> tuple[int, str] | None:
        """Return the bytes of a worker for the node that takes most, and its kind; None if one cannot be known."""
        nodes = [self._plan.nodes[key] for key in keys]
        found = [(size, node.kind) for node in nodes if (size := self.of(node)) is not None]
        if len(found) < len(nodes) or not found:
            return None
        size, kind = max(found)
        return BASE + size, kind

    def _own(self, node: Node, outline: Outline, data: int) -> int:
        """Return the bytes that a node takes beside libraries and data."""
        if node.kind == "data":
            return (DECODED - 1) * data
        if node.kind == "measure":
            return READ * sum(self._left(key) for key in node.input_keys())
        if node.kind in INFERENCES.names():
            inference = INFERENCES.build({node.kind: node.payload["options"]})
            view, train = self._seen(node), outline.images.get("train", self._seen(node))
            left = inference.left(view[0], outline.classes)
            return self._look(view[1:]) + prod(view) + inference.held(view, train) + 2 * left
        if node.kind in STAGES.names():
            stage = STAGES.build(node.payload)
            training = next((part for part in (stage, getattr(stage, "train", None)) if isinstance(part, Train)), None)
            if training is not None:
                return self._step(training.batch, training.objective)
            if stage.needs_data:
                return self._step(BATCH_ON_CPU, CrossEntropy())
        return COPIES * self._network_bytes()

    def _left_bytes(self, key: str) -> int:
        """Return the bytes of the evidence that a node leaves, or will leave."""
        node = self._plan.nodes[key]
        path = self._store.folder(node.artefact, key) / TENSORS
        if path.is_file():
            return path.stat().st_size
        if node.kind in INFERENCES.names():
            assert self._known is not None
            inference = INFERENCES.build({node.kind: node.payload["options"]})
            return inference.left(self._seen(node)[0], self._known[0].classes)
        return 0 if node.kind == "data" else 2 * self._network_bytes()

    def _seen(self, node: Node) -> tuple[int, int, int, int]:
        """Return the size of the images that an inference looks at, at most."""
        assert self._known is not None
        images = self._known[0].images
        return images.get(node.payload["view"]["split"], images["test"])

    def _step_bytes(self, batch: int, objective: Objective) -> int:
        return step_bytes(self._network(), torch.Size([batch, *self._shape()]), objective)

    def _look_bytes(self, shape: tuple[int, ...]) -> int:
        return look_bytes(self._network(), torch.Size([BATCH_ON_CPU, *shape]))

    def _network(self) -> nn.Module:
        assert self._known is not None
        return build(MODELS.build(self._model), self._shape(), self._known[0].classes, seed=0)

    def _shape(self) -> tuple[int, int, int]:
        assert self._known is not None
        channels, height, width = next(iter(self._known[0].images.values()))[1:]
        return channels, height, width

    def _read(self) -> tuple[Outline, int] | None:
        """Return what the store knows of the data, and their bytes."""
        if not self._store.has("data", self._plan.data):
            return None
        held = self._store.read("data", self._plan.data)
        shapes = {name.removesuffix("/images"): t.shape for name, t in held.tensors.items() if name.endswith("/images")}
        images = {name: (shape[0], shape[1], shape[2], shape[3]) for name, shape in shapes.items()}
        return Outline(images, len(held.content["classes"])), sum(tensor.nbytes for tensor in held.tensors.values())

    def _told(self) -> tuple[Outline, int] | None:
        """Return what the source knows of its data before they are read, and their bytes."""
        payload = self._plan.nodes[self._plan.data].payload
        outline = SOURCES.build(payload["source"]).outline()
        if outline is None:
            return None
        train = outline.images.get("train")
        if train is not None:
            held = round(payload["validation"] * train[0])
            parts = {"train": (train[0] - held, *train[1:]), "validation": (held, *train[1:])}
            outline = outline._replace(images={**outline.images, **parts})
        return outline, sum(prod(shape) + 8 * shape[0] for shape in outline.images.values())
