"""Looking and measuring: a network sees a view, a measure sees networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization, Shift, View
from prunescope.data.shifts import apply_shift
from prunescope.measures import MEASURES, Curve, Populations, Recipes, Subject
from prunescope.measures.card import Scope
from prunescope.measures.inference import INFERENCES, Inference, Seen
from prunescope.pruning import State
from prunescope.study.artefacts import SPLIT_SEED, Place, build_network, measurement_artefact, read_state, state_of
from prunescope.study.node import Node
from prunescope.study.store import Artefact, Store
from prunescope.training.footprint import out_of_memory

# On a processor larger batches only move memory.
BATCH, BATCH_ON_CPU = 500, 128
Subjects = tuple[Subject, ...]


def infer(node: Node, place: Place) -> Artefact:
    """Let a network look at a view."""
    state, blueprint = read_state(place.store, str(node.inputs["state"]))
    view = View(**node.payload["view"])
    splits = view.within(place.splits(str(node.inputs["data"])))
    data, shift = view.select(splits, SPLIT_SEED), view.shift
    seen = Seen(
        net=state.load_into(build_network(blueprint, state.seed)).to(place.device).eval(),
        images=data.images,
        labels=data.labels,
        normalization=Normalization(**blueprint["normalization"]),
        device=place.device,
        change=None if shift is None else partial(_changed, shift),
        split=lambda name: splits[name],
        origin=(view.split, view.positions(splits[view.split], SPLIT_SEED)),
        batch=BATCH_ON_CPU if place.device.type == "cpu" else BATCH,
        watch=place.watch,
    )
    left, batch = _looked(INFERENCES.build({node.kind: node.payload["options"]}), seen)
    about = {name: blueprint[name] for name in ("classes", "image_shape", "normalization")}
    return Artefact(tensors=left, content={**about, "seed": state.seed, "order": list(left), "batch": batch})


def _looked(inference: Inference, seen: Seen) -> tuple[Mapping[str, Tensor], int]:
    """Return what is left and the images at once: half as many whenever the device runs out of memory."""
    try:
        return inference(seen), seen.batch
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        if seen.batch == 1:
            raise PrunescopeError("the device has no memory for one image", where=str(seen.device)) from None
    torch.cuda.empty_cache()
    return _looked(inference, replace(seen, batch=seen.batch // 2))


def _changed(shift: Shift, part: Tensor, first: int, draw: int) -> Tensor:
    return apply_shift(shift, part, seed=draw, first_index=first)


def measure(node: Node, place: Place) -> Artefact:
    """Show a measure its populations, its curve or its recipes."""
    asked = MEASURES.build(node.payload["measure"])
    sides = {side: _subjects(node, side, place) for side in ("dense", "pruned", "untrained")}
    return measurement_artefact(asked(_shown(asked.card.scope, node.payload, sides)))


def _shown(scope: Scope, payload: Mapping[str, Any], sides: Mapping[str, Subjects]) -> Populations | Curve | Recipes:
    if scope == "populations":
        return Populations(**sides)
    if scope == "curve":
        return _curve(payload, **sides)
    names = payload["recipes"]
    size = len(sides["dense"]) // len(names)
    parts = [{side: own[i * size : (i + 1) * size] for side, own in sides.items()} for i in range(len(names))]
    return Recipes(populations={name: Populations(**part) for name, part in zip(names, parts, strict=True)})


def _curve(payload: Mapping[str, Any], dense: Subjects, pruned: Subjects, untrained: Subjects) -> Curve:
    """Deal the subjects, which stand view by view and in it level by level, to views and levels."""
    views, levels = payload["views"], len(payload["sparsities"])
    size = len(dense) // len(views)

    def at(view: int, level: int) -> Populations:
        own, start = slice(view * size, (view + 1) * size), (view * levels + level) * size
        return Populations(dense=dense[own], pruned=pruned[start : start + size], untrained=untrained[own])

    return Curve(
        sparsities=tuple(payload["sparsities"]),
        views={name: tuple(at(i, level) for level in range(levels)) for i, name in enumerate(views)},
    )


def _subjects(node: Node, side: str, place: Place) -> Subjects:
    keys = {role.removeprefix(f"{side}_"): k for role, k in node.inputs.items() if role.startswith(f"{side}_")}
    views = node.payload.get("images", ())
    count = max((len(of_kind) for of_kind in keys.values()), default=0)

    def images(i: int) -> Tensor:
        view = View(**views[i * len(views) // count])
        return view.select(place.splits(str(node.inputs["data"])), SPLIT_SEED).images

    return tuple(
        _subject(place.store, {kind: k[i] for kind, k in keys.items()}, partial(images, i)) for i in range(count)
    )


def _subject(store: Store, keys: Mapping[str, str], images: Callable[[], Tensor]) -> Subject:
    """Return a network as a measure sees it; what the measure did not ask for is not fetched."""

    @cache
    def fetched(kind: str) -> Artefact:
        return store.read(kind, keys[kind])

    def evidence(kind: str) -> dict[str, Tensor]:
        artefact = fetched(kind)
        return {name: artefact.tensors[name] for name in artefact.content["order"]}

    def state() -> tuple[State, dict[str, Any]]:
        return state_of(fetched("state"))

    kind = next(iter(keys))
    about = {**state()[1], "seed": state()[0].seed} if kind == "state" else fetched(kind).content
    shape = about["image_shape"]
    return Subject(
        seed=int(about["seed"]),
        classes=tuple(about["classes"]),
        image_shape=(shape[0], shape[1], shape[2]),
        normalization=Normalization(**about["normalization"]),
        fetch=evidence,
        fetch_state=lambda: state()[0],
        fetch_images=images,
        build=lambda: build_network(state()[1], int(about["seed"])),
        fetch_rule=lambda: dict(state()[1].get("rule", {})),
        fetch_history=lambda: fetched("state").content["history"],
    )
