"""What each kind of node does, and the one way to do it: compute, write, or record the failure."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.core.config import canonical_json
from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Dataset, Normalization, View, split_validation
from prunescope.data.shifts import apply_shift
from prunescope.measures import MEASURES, Measurement, Populations, Subject, Value
from prunescope.measures.activations import Tapping, infer_activations
from prunescope.measures.evidence import infer_logits
from prunescope.models import MODELS, build
from prunescope.pruning import State
from prunescope.study.plan import Node
from prunescope.study.store import Artefact, Store
from prunescope.training import STAGES, Context, Epoch

SPLIT_SEED = 0
CHECKPOINT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one node ended; ``error`` is empty on success, ``hint`` the message for a person."""

    key: str
    seconds: float
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node runs: its store and device."""

    store: Store
    device: torch.device


def perform(node: Node, root: Path, device: str) -> Outcome:
    """Compute a node and write its artefact; a Python error is recorded and returned, never raised."""
    began = time.perf_counter()
    store = Store(root)
    try:
        if not store.matches(node.artefact, node.key, node.spec):
            artefact = compute(node, Place(store=store, device=torch.device(device)))
            seconds = time.perf_counter() - began
            store.write(node.artefact, node.key, node.spec, artefact, seconds=seconds, device=device)
    except Exception as error:
        hint = str(error) if isinstance(error, PrunescopeError) else f"{type(error).__name__}: {error}"
        store.record_failure(node.key, node.kind, hint, traceback.format_exc())
        return Outcome(key=node.key, seconds=time.perf_counter() - began, error=traceback.format_exc(), hint=hint)
    return Outcome(key=node.key, seconds=time.perf_counter() - began)


def _data(node: Node, place: Place) -> Artefact:
    source = SOURCES.build(node.payload["source"])
    splits = dict(source.load())
    splits["train"], splits["validation"] = split_validation(splits["train"], node.payload["validation"], SPLIT_SEED)
    given = node.payload["normalize"]
    normalization = Normalization(**given) if given else Normalization.of(splits["train"].images)
    tensors = {
        f"{name}/{part}": getattr(split, part) for name, split in splits.items() for part in ("images", "labels")
    }
    content = {
        "classes": list(splits["train"].classes),
        "image_shape": list(splits["train"].shape),
        "normalization": normalization.canonical(complete=True),
    }
    return Artefact(tensors=tensors, content=content)


def _init(node: Node, place: Place) -> Artefact:
    data = place.store.read("data", str(node.inputs["data"])).content
    blueprint = {**data, "model": node.payload["model"]}
    seed = int(node.payload["seed"])
    return _state_artefact(State.of(build_network(blueprint, seed), seed=seed), blueprint, [])


def _stage(node: Node, place: Place) -> Artefact:
    """Run one stage; a training that was cut off goes on from the state it kept."""
    state, blueprint = read_state(place.store, str(node.inputs["state"]))
    partial = place.store.load_partial(node.key)
    history: list[dict[str, float]] = json.loads(partial[1].pop("history")) if partial else []
    context = Context(
        build=lambda: build_network(blueprint, state.seed),
        split=lambda name: _splits(place.store.root, str(node.inputs["data"]), place.device)[name],
        normalization=Normalization(**blueprint["normalization"]),
        early=read_state(place.store, str(node.inputs["early"]))[0] if "early" in node.inputs else None,
        resume=State.from_tensors(*partial) if partial else None,
        callbacks=(_recorder(history), _saver(place.store, node.key, history)),
    )
    reached = STAGES.build(node.payload)(state, context)
    return _state_artefact(reached, blueprint, history)


def _logits(node: Node, place: Place) -> Artefact:
    seen = _seen(node, place, View(**node.payload))
    logits = infer_logits(seen.net, seen.images, seen.normalization, device=place.device, change=seen.change)
    return Artefact(tensors={"logits": logits, "labels": seen.labels.cpu()}, content=seen.about)


def _activations(node: Node, place: Place) -> Artefact:
    seen = _seen(node, place, View(**node.payload["view"]))
    tapping = Tapping.model_validate(node.payload["tapping"])
    kept = infer_activations(
        seen.net, seen.images, seen.normalization, tapping, device=place.device, change=seen.change
    )
    return Artefact(tensors=kept, content={**seen.about, "layers": list(kept)})


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A network and the images of a view, ready for inference."""

    net: nn.Module
    images: Tensor
    labels: Tensor
    normalization: Normalization
    change: Callable[[Tensor, int], Tensor] | None
    about: Mapping[str, Any]


def _seen(node: Node, place: Place, view: View) -> _Seen:
    state, blueprint = read_state(place.store, str(node.inputs["state"]))
    data = view.select(_splits(place.store.root, str(node.inputs["data"]), place.device), SPLIT_SEED)
    shift = view.shift
    return _Seen(
        net=state.load_into(build_network(blueprint, state.seed)),
        images=data.images,
        labels=data.labels,
        normalization=Normalization(**blueprint["normalization"]),
        change=None if shift is None else lambda part, first: apply_shift(shift, part, seed=0, first_index=first),
        about={"classes": blueprint["classes"], "image_shape": blueprint["image_shape"], "seed": state.seed},
    )


def _measure(node: Node, place: Place) -> Artefact:
    measure = MEASURES.build(node.payload)
    sides = {side: _subjects(node, side, place) for side in ("dense", "pruned", "untrained")}
    shown = Populations(**sides)
    return _measurement_artefact(measure(shown))


def compute(node: Node, place: Place) -> Artefact:
    """Return the artefact of a node; its inputs must be in the store."""
    kinds: dict[str, Callable[[Node, Place], Artefact]] = {
        "data": _data,
        "init": _init,
        "logits": _logits,
        "activations": _activations,
        "measure": _measure,
    }
    return kinds.get(node.kind, _stage)(node, place)


def build_network(blueprint: Mapping[str, Any], seed: int) -> nn.Module:
    """Return the network of a blueprint at its initial weights."""
    shape = blueprint["image_shape"]
    model = MODELS.build(blueprint["model"])
    return build(model, (shape[0], shape[1], shape[2]), len(blueprint["classes"]), seed)


def read_state(store: Store, key: str) -> tuple[State, dict[str, Any]]:
    """Return a state and the blueprint of its network."""
    return _state_of(store.read("state", key))


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


def _measurement_artefact(measurement: Measurement) -> Artefact:
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


def _state_of(artefact: Artefact) -> tuple[State, dict[str, Any]]:
    return State.from_tensors(artefact.tensors, artefact.content["meta"]), dict(artefact.content["blueprint"])


def _state_artefact(state: State, blueprint: Mapping[str, Any], history: list[dict[str, float]]) -> Artefact:
    tensors, meta = state.to_tensors()
    return Artefact(tensors=tensors, content={"meta": meta, "blueprint": dict(blueprint), "history": history})


def _subjects(node: Node, side: str, place: Place) -> tuple[Subject, ...]:
    keys = {kind: node.inputs.get(f"{side}_{kind}", ()) for kind in ("logits", "states", "activations")}
    count = max(len(of_kind) for of_kind in keys.values())
    return tuple(_subject(place.store, {kind: k[i] for kind, k in keys.items() if k}) for i in range(count))


def _subject(store: Store, keys: Mapping[str, str]) -> Subject:
    """Return a network as a measure sees it; what the measure did not ask for is not fetched."""

    @cache
    def fetched(kind: str) -> Artefact:
        return store.read("state" if kind == "states" else kind, keys[kind])

    def state() -> tuple[State, dict[str, Any]]:
        return _state_of(fetched("states"))

    kind = next(iter(keys))
    about = {**state()[1], "seed": state()[0].seed} if kind == "states" else fetched(kind).content
    shape = about["image_shape"]
    return Subject(
        seed=int(about["seed"]),
        classes=tuple(about["classes"]),
        image_shape=(shape[0], shape[1], shape[2]),
        fetch_logits=lambda: fetched("logits").tensors["logits"],
        fetch_labels=lambda: fetched("logits").tensors["labels"],
        fetch_state=lambda: state()[0],
        fetch_activations=lambda: {
            layer: fetched("activations").tensors[layer] for layer in fetched("activations").content["layers"]
        },
        build=lambda: build_network(state()[1], int(about["seed"])),
    )


def _recorder(history: list[dict[str, float]]) -> Callable[[Epoch], None]:
    def record(epoch: Epoch) -> None:
        plain = {name: getattr(epoch, name) for name in ("step", "loss", "lr", "sparsity")}
        history.append({"epoch": epoch.number, **plain, **epoch.measured})

    return record


def _saver(store: Store, key: str, history: list[dict[str, float]]) -> Callable[[Epoch], None]:
    """Keep the state of a long training every few seconds."""
    last = time.monotonic()

    def save(epoch: Epoch) -> None:
        nonlocal last
        if time.monotonic() - last >= CHECKPOINT_SECONDS:
            tensors, meta = epoch.state().to_tensors()
            store.save_partial(key, tensors, {**meta, "history": canonical_json(history)})
            last = time.monotonic()

    return save
