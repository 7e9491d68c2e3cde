"""What artefacts hold: networks, data and measurements, to the store and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset
from prunescope.measures import Measurement, Value
from prunescope.measures.inference.inference import unwatched
from prunescope.models import MODELS, build
from prunescope.pruning import State
from prunescope.study.store import Artefact, Store

History = list[dict[str, Any]]
SPLIT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node runs: its store and device, and who is told how far it is."""

    store: Store
    device: torch.device
    watch: Callable[[float], None] = unwatched

    def splits(self, key: str) -> dict[str, Dataset]:
        """Return the splits of a data artefact on the device; they stay in the process from node to node."""
        return _splits(self.store.root, key, self.device)


# Networks whose architecture no registered model names, by the text that blueprints know them by.
AT_HAND: ContextVar[Mapping[str, nn.Module]] = ContextVar("AT_HAND", default=MappingProxyType({}))


def build_network(blueprint: Mapping[str, Any], seed: int) -> nn.Module:
    """Return the network of a blueprint at its initial weights, or a copy of the one at hand that it names.

    Raises:
        PrunescopeError: for a network that only the process that loaded it can build.
    """
    if "network" in blueprint:
        known = AT_HAND.get().get(blueprint["network"])
        if known is None:
            remedy = "Audit its files again; what is in the store is not computed twice"
            raise PrunescopeError("this network was loaded elsewhere", got=blueprint["network"], remedy=remedy)
        return copy.deepcopy(known)
    shape = blueprint["image_shape"]
    model = MODELS.build(blueprint["model"])
    return build(model, (shape[0], shape[1], shape[2]), len(blueprint["classes"]), seed)


def read_state(store: Store, key: str) -> tuple[State, dict[str, Any]]:
    """Return a state and the blueprint of its network."""
    return state_of(store.read("state", key))


def read_splits(store: Store, key: str, device: torch.device) -> dict[str, Dataset]:
    """Return the splits of a data artefact on a device."""
    artefact = store.read("data", key)
    names = {name.partition("/")[0] for name in artefact.tensors}
    classes = tuple(artefact.content["classes"])
    return {
        name: Dataset(
            images=artefact.tensors[f"{name}/images"], labels=artefact.tensors[f"{name}/labels"], classes=classes
        ).to(device)
        for name in sorted(names)
    }


def read_measurement(store: Store, key: str) -> Measurement:
    """Return a stored measurement."""
    artefact = store.read("measure", key)
    content = artefact.content
    return Measurement(
        values=tuple(Value(**value) for value in content["values"]),
        arrays={name: tensor.numpy() for name, tensor in artefact.tensors.items()},
        notes=tuple(content["notes"]),
        status=content["status"],
        reason=content["reason"],
    )


def measurement_artefact(measurement: Measurement) -> Artefact:
    """Return a measurement as it is stored."""
    values = [{n: v for n, v in asdict(value).items() if v is not None} for value in measurement.values]
    content = {
        "values": values,
        "notes": list(measurement.notes),
        "status": measurement.status,
        "reason": measurement.reason,
    }
    tensors = {name: torch.from_numpy(array) for name, array in measurement.arrays.items()}
    return Artefact(tensors=tensors, content=content)


# Data stays in a worker from node to node; two studies in one process are rare, a third would evict the first.
@lru_cache(maxsize=2)
def _splits(root: Path, key: str, device: torch.device) -> dict[str, Dataset]:
    return read_splits(Store(root), key, device)


def state_of(artefact: Artefact) -> tuple[State, dict[str, Any]]:
    """Return the state in an artefact and the blueprint of its network."""
    return State.from_tensors(artefact.tensors, artefact.content["meta"]), dict(artefact.content["blueprint"])


def state_artefact(state: State, blueprint: Mapping[str, Any], history: History) -> Artefact:
    """Return a state as it is stored, with what was recorded of its training."""
    tensors, meta = state.to_tensors()
    return Artefact(tensors=tensors, content={"meta": meta, "blueprint": dict(blueprint), "history": history})
