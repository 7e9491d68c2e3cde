"""What each kind of node does, and the one way to do it: compute, write, or record the failure."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prunescope.core.config import canonical_json
from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Normalization, split_validation
from prunescope.measures.inference import INFERENCES
from prunescope.pruning import State
from prunescope.study.artefacts import SPLIT_SEED, History, Place, build_network, read_state, state_artefact, state_of
from prunescope.study.node import Node
from prunescope.study.shown import infer, measure
from prunescope.study.store import Artefact, Store
from prunescope.training import STAGES, Context, Epoch, Sampled

CHECKPOINT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one node ended; ``error`` is empty on success, ``hint`` the message for a person."""

    key: str
    seconds: float
    error: str = ""
    hint: str = ""


def perform(node: Node, root: Path, device: str) -> Outcome:
    """Compute a node and write its artefact; a Python error is recorded and returned, never raised."""
    began = time.perf_counter()
    store = Store(root)
    if node.members:
        return _perform_siblings(node, Place(store=store, device=torch.device(device)))
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


def _perform_siblings(node: Node, place: Place) -> Outcome:
    """Compute siblings at once and write an artefact for each; a failure is not recorded, for it need not be all's."""
    began = time.perf_counter()
    todo = [m for m in node.members if not place.store.matches(m.artefact, m.key, m.spec)]
    try:
        artefacts = _stages(todo, place) if todo else []
        seconds = (time.perf_counter() - began) / max(1, len(todo))
        for member, artefact in zip(todo, artefacts, strict=True):
            place.store.write(
                member.artefact, member.key, member.spec, artefact, seconds=seconds, device=str(place.device)
            )
    except Exception as error:
        return Outcome(key=node.key, seconds=time.perf_counter() - began, error=traceback.format_exc(), hint=str(error))
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
        "rule": dict(source.rule()),
    }
    return Artefact(tensors=tensors, content=content)


def _init(node: Node, place: Place) -> Artefact:
    data = place.store.read("data", str(node.inputs["data"])).content
    blueprint = {**data, "model": node.payload["model"]}
    seed = int(node.payload["seed"])
    return state_artefact(State.of(build_network(blueprint, seed), seed=seed), blueprint, [])


def _stages(nodes: Sequence[Node], place: Place) -> list[Artefact]:
    """Run one stage on each network, all at once; a training that was cut off goes on from the state it kept."""
    states, contexts, ends = zip(*(_begun(node, place) for node in nodes), strict=True)
    reached = STAGES.build(nodes[0].payload).together(states, contexts)
    return [end(state) for end, state in zip(ends, reached, strict=True)]


def _begun(node: Node, place: Place) -> tuple[State, Context, Callable[[State], Artefact]]:
    """Return a network before a stage, what the stage may use, and how its end becomes an artefact."""
    before = place.store.read("state", str(node.inputs["state"]))
    state, blueprint = state_of(before)
    lived = before.content["history"]
    partial = place.store.load_partial(node.key)
    history: History = json.loads(partial[1].pop("history")) if partial else []
    context = replace(
        _context(node, place, state, blueprint),
        resume=State.from_tensors(*partial) if partial else None,
        callbacks=(_recorder(history), _saver(place.store, node.key, history)),
    )

    def ended(reached: State) -> Artefact:
        return state_artefact(reached, blueprint, [*lived, *_labelled(history, node.kind, lived, reached)])

    return state, context, ended


def _labelled(history: History, kind: str, lived: History, reached: State) -> History:
    """Return what a stage recorded with its place in the network's life; a stage without epochs is one entry."""
    stage = lived[-1].get("stage", 0) if lived else 0  # older artefacts did not number their stages
    place = {"stage": stage + 1, "kind": kind}
    return [{**place, **entry} for entry in history or [{"sparsity": reached.mask.sparsity}]]


def _sampled(node: Node, place: Place) -> Artefact:
    state, blueprint = read_state(place.store, str(node.inputs["state"]))
    found = Sampled(**node.payload)(state, _context(node, place, state, blueprint))
    return Artefact(tensors=dict(found), content={})


def _context(node: Node, place: Place, state: State, blueprint: Mapping[str, Any]) -> Context:
    """Return what a stage may use besides the state: what the node's other inputs hold."""
    others = {role: str(node.inputs[role]) for role in ("early", "whole", "sampled") if role in node.inputs}
    states = {role: read_state(place.store, key)[0] for role, key in others.items() if role != "sampled"}
    return Context(
        build=lambda seed=None: build_network(blueprint, state.seed if seed is None else seed),
        split=lambda name: place.splits(str(node.inputs["data"]))[name],
        normalization=Normalization(**blueprint["normalization"]),
        early=states.get("early"),
        whole=states.get("whole"),
        sampled=place.store.read("sampled", others["sampled"]).tensors if "sampled" in others else None,
        rule=blueprint.get("rule", {}),
    )


def compute(node: Node, place: Place) -> Artefact:
    """Return the artefact of a node; its inputs must be in the store."""
    if node.kind in INFERENCES.names():
        return infer(node, place)
    kinds: dict[str, Callable[[Node, Place], Artefact]] = {
        "data": _data,
        "init": _init,
        "measure": measure,
        "sampled": _sampled,
    }
    if node.kind not in kinds:
        return _stages([node], place)[0]
    return kinds[node.kind](node, place)


def _recorder(history: History) -> Callable[[Epoch], None]:
    def record(epoch: Epoch) -> None:
        plain = {name: getattr(epoch, name) for name in ("step", "loss", "lr", "sparsity")}
        history.append({"epoch": epoch.number, **plain, **epoch.measured})

    return record


def _saver(store: Store, key: str, history: History) -> Callable[[Epoch], None]:
    """Keep the state of a long training every few seconds."""
    last = time.monotonic()

    def save(epoch: Epoch) -> None:
        nonlocal last
        if time.monotonic() - last >= CHECKPOINT_SECONDS:
            tensors, meta = epoch.state().to_tensors()
            store.save_partial(key, tensors, {**meta, "history": canonical_json(history)})
            last = time.monotonic()

    return save
