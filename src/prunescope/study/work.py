"""What each kind of node does, and the one way to do it: compute, write, or record the failure."""

from __future__ import annotations

import json
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prunescope.core.config import canonical_json
from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Normalization, split_validation
from prunescope.measures.inference import INFERENCES
from prunescope.measures.inference.inference import unwatched
from prunescope.models import Pretrained
from prunescope.pruning import State
from prunescope.study.artefacts import SPLIT_SEED, History, Place, build_network, read_state, state_artefact, state_of
from prunescope.study.journal import Unwritable
from prunescope.study.node import Node
from prunescope.study.shown import infer, measure
from prunescope.study.store import Artefact, Store
from prunescope.training import STAGES, Context, Epoch, Sampled

CHECKPOINT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one node ended; ``error`` is empty on success, ``hint`` for a person, ``fatal`` if no other can run."""

    key: str
    seconds: float
    error: str = ""
    hint: str = ""
    fatal: bool = False


def perform(node: Node, root: Path, device: str, watch: Callable[[float], None] = unwatched) -> Outcome:
    """Compute a node, or siblings at once, and write each artefact; a Python error is returned, never raised.

    It is recorded too, but for siblings: it need not be that of all of them.
    """
    began = time.perf_counter()
    store = Store(root)
    error = hint = ""
    fatal = False
    try:
        try:
            with store.journal.running([member.key for member in node.each], node.kind), _at_most(node.limit):
                _make(node, Place(store=store, device=torch.device(device), watch=watch))
        except Unwritable:
            raise
        except Exception as problem:
            hint = str(problem) if isinstance(problem, PrunescopeError) else f"{type(problem).__name__}: {problem}"
            error = traceback.format_exc()
            if not node.members:
                store.journal.record_failure(node.key, node.kind, hint, error)
    except Unwritable as problem:
        hint, error, fatal = str(problem), traceback.format_exc(), True
    return Outcome(key=node.key, seconds=time.perf_counter() - began, error=error, hint=hint, fatal=fatal)


def _make(node: Node, place: Place) -> None:
    """Write the artefacts that are not there."""
    began = time.perf_counter()
    todo = [member for member in node.each if not place.store.matches(member.artefact, member.key, member.spec)]
    if not todo:
        return
    artefacts = _stages(todo, place, node.measured) if node.members else [compute(node, place)]
    seconds = (time.perf_counter() - began) / len(todo)
    for member, artefact in zip(todo, artefacts, strict=True):
        place.store.write(
            member.artefact,
            member.key,
            member.spec,
            artefact,
            seconds=seconds,
            device=str(place.device),
            siblings=len(todo),
        )


@contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Stop what runs after so many seconds, where the system has alarms and this is the main thread."""
    if seconds is None or not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise PrunescopeError(
            "stopped, for it took longer than it may", expected=f"≤ {seconds:g} s", where="time_limit"
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
    net = build_network(blueprint, seed)
    if "init" in node.payload:
        Pretrained(**node.payload["init"]).load_into(net)
    return state_artefact(State.of(net, seed=seed), blueprint, [])


def _stages(nodes: Sequence[Node], place: Place, measured: bool = False) -> list[Artefact]:
    """Run one stage on each network, all at once; a training that was cut off goes on from the state it kept."""
    states, contexts, ends = zip(*(_begun(node, place) for node in nodes), strict=True)
    stage = STAGES.build(nodes[0].payload)
    alone = len(nodes) == 1
    reached = [stage(*states, *contexts)] if alone else stage.together(states, contexts, measured=measured)
    return [end(state) for end, state in zip(ends, reached, strict=True)]


def _begun(node: Node, place: Place) -> tuple[State, Context, Callable[[State], Artefact]]:
    """Return a network before a stage, what the stage may use, and how its end becomes an artefact."""
    before = place.store.read("state", str(node.inputs["state"]))
    state, blueprint = state_of(before)
    lived = before.content["history"]
    partial = place.store.journal.load_partial(node.key)
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
            store.journal.save_partial(key, tensors, {**meta, "history": canonical_json(history)})
            last = time.monotonic()

    return save
