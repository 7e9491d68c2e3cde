"""The plan: a study as a graph of small nodes, each named by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prunescope.core.config import canonical_json, fingerprint
from prunescope.core.errors import PrunescopeError
from prunescope.data import View
from prunescope.measures import Measure
from prunescope.study.study import Study
from prunescope.training import Level, Rewind, Stage, Train

# Raised when a kind computes something else than before: old artefacts are then no longer found.
VERSIONS: Mapping[str, int] = {}

Inputs = Mapping[str, "str | tuple[str, ...]"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One piece of work.

    Args:
        kind: what is done.
        key: SHA-256 of kind, version, options that differ from their default, and the keys of the inputs.
        spec: the complete specification as JSON, compared when an artefact is reused.
        payload: plain data the work reads; never part of the key.
        inputs: keys by role.
    """

    kind: str
    key: str
    spec: str = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    inputs: Inputs = field(repr=False)

    @property
    def artefact(self) -> str:
        """Kind of what the node leaves: data, logits, activations, a measurement, or a state."""
        return self.kind if self.kind in ("data", "logits", "activations", "measure") else "state"

    def input_keys(self) -> Iterable[str]:
        """Yield the keys of all inputs."""
        for value in self.inputs.values():
            yield from (value,) if isinstance(value, str) else value


def make_node(
    kind: str,
    identity: Mapping[str, Any],
    complete: Mapping[str, Any],
    inputs: Inputs,
    payload: Mapping[str, Any] | None = None,
) -> Node:
    """Return the node of this identity; ``payload`` defaults to the complete options."""
    plain = {role: value if isinstance(value, str) else list(value) for role, value in inputs.items()}
    head = {"kind": kind, "version": VERSIONS.get(kind, 1), "inputs": plain}
    return Node(
        kind=kind,
        key=fingerprint({**head, "parameters": identity}),
        spec=canonical_json({**head, "parameters": complete}),
        payload=complete if payload is None else payload,
        inputs=inputs,
    )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One network of the study: where it stands and which nodes hold it."""

    recipe: str
    level: str
    sparsity: float
    seed: int
    state: str
    logits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measure node and where its numbers belong; ``cells`` are the measured networks."""

    measure: str
    recipe: str
    level: str
    sparsity: float
    view: str
    key: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Nodes in an order in which each stands after its inputs, and what they mean."""

    study: Study
    nodes: Mapping[str, Node]
    cells: tuple[Cell, ...]
    measured: tuple[Measured, ...]
    data: str


def plan_study(study: Study) -> Plan:
    """Expand a study to its nodes. Recipes that begin alike share their first nodes."""
    return _Planner(study).plan()


class _Planner:
    def __init__(self, study: Study) -> None:
        self.study = study
        self.nodes: dict[str, Node] = {}
        self.cells: dict[tuple[str, str], list[Cell]] = {}
        self.levels: dict[str, tuple[Level, ...]] = {}
        self.ends: dict[tuple[str, int], str] = {}
        self.first_train: dict[tuple[str, int], tuple[Train, str]] = {}
        self.specs: dict[int, tuple[dict[str, Any], dict[str, Any], object]] = {}
        self.data = self._data_node()

    def plan(self) -> Plan:
        for name in self.study.recipes:
            self._expand(name)
        measured = tuple(self._measure_nodes())
        cells = tuple(cell for group in self.cells.values() for cell in group)
        return Plan(study=self.study, nodes=self.nodes, cells=cells, measured=measured, data=self.data)

    def add(self, kind: str, member: Any, inputs: Inputs) -> str:
        """Add the node of a registered member (stage, view, measure) and return its key."""
        identity, complete = self._spec(member)
        return self._enter(make_node(kind, identity, complete, inputs))

    def _enter(self, node: Node) -> str:
        self.nodes.setdefault(node.key, node)
        return node.key

    def _spec(self, member: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Dump a member once; the member is kept so that its id stays its own."""
        known = self.specs.get(id(member))
        if known is None:
            dump = member.canonical if isinstance(member, View) else member.spec
            known = self.specs[id(member)] = (dump(), dump(complete=True), member)
        return known[0], known[1]

    def _data_node(self) -> str:
        study = self.study
        source = {"source": dict(study.data.identity()), "validation": study.validation}
        normalize = None if study.normalize is None else study.normalize.canonical(complete=True)
        identity = {**source, **({"normalize": normalize} if normalize else {})}
        payload = {"source": study.data.spec(complete=True), "validation": study.validation, "normalize": normalize}
        return self._enter(make_node("data", identity, {**source, "normalize": normalize}, {}, payload))

    def _init_node(self, seed: int) -> str:
        model = self.study.model
        identity = {"model": model.spec(), "seed": seed}
        return self._enter(
            make_node("init", identity, {"model": model.spec(complete=True), "seed": seed}, {"data": self.data})
        )

    def _expand(self, name: str) -> None:
        recipe = self.study.recipes[name]
        before = self.levels[recipe.start][-1].sparsity if recipe.start else 0.0
        levels = self.levels[name] = recipe.expand(before)
        for seed in self.study.seeds:
            start = self.ends[recipe.start, seed] if recipe.start else self._init_node(seed)
            if recipe.start and (recipe.start, seed) in self.first_train:
                self.first_train[name, seed] = self.first_train[recipe.start, seed]
            reached: list[str] = []
            for level in levels:
                state = start if level.after is None else reached[level.after]
                for stage in level.stages:
                    state = self._stage_node(name, seed, stage, state)
                reached.append(state)
                self._cell(name, level, seed, state)
            self.ends[name, seed] = reached[-1]

    def _stage_node(self, recipe: str, seed: int, stage: Stage, state: str) -> str:
        inputs: dict[str, str] = {"state": state}
        if isinstance(stage, Train):
            self.first_train.setdefault((recipe, seed), (stage, state))
        if stage.needs_data:
            inputs["data"] = self.data
        if isinstance(stage, Rewind) and stage.to == "weights":
            inputs["early"] = self._early(recipe, seed, stage)
        return self.add(stage.member_name, stage, inputs)

    def _early(self, recipe: str, seed: int, rewind: Rewind) -> str:
        """Return the state at ``rewind.at`` of the first training: that training, stopped there."""
        if (recipe, seed) not in self.first_train:
            raise PrunescopeError("rewind has no training before it", where=f"recipes.{recipe}")
        first, start = self.first_train[recipe, seed]
        if not rewind.at.epochs and not rewind.at.iterations:
            return start
        return self.add("train", first.model_copy(update={"stop": rewind.at}), {"state": start, "data": self.data})

    def _cell(self, recipe: str, level: Level, seed: int, state: str) -> None:
        views = {view.name: self.add("logits", view, {"state": state, "data": self.data}) for view in self.study.views}
        cell = Cell(recipe=recipe, level=level.label, sparsity=level.sparsity, seed=seed, state=state, logits=views)
        self.cells.setdefault((recipe, level.label), []).append(cell)

    def _measure_nodes(self) -> Iterable[Measured]:
        for (recipe, level), pruned in self.cells.items():
            dense_name = self.study.dense_of(recipe)
            dense = self.cells[dense_name, self.levels[dense_name][-1].label]
            for measure in self.study.measures:
                for view in self._views_of(measure):
                    key = self.add("measure", measure, self._evidence(measure, view, dense, pruned))
                    yield Measured(
                        measure=measure.member_name,
                        recipe=recipe,
                        level=level,
                        sparsity=pruned[0].sparsity,
                        view=view.name if view else "",
                        key=key,
                        seeds=tuple(cell.seed for cell in pruned),
                    )

    def _views_of(self, measure: Measure) -> Iterable[View | None]:
        """Return what a measure looks at: every view, those without a shift (activations), or none (weights)."""
        if "logits" in measure.card.evidence:
            return self.study.views
        if "activations" in measure.card.evidence:
            return [view for view in self.study.views if view.shift is None]
        return [None]

    def _evidence(self, measure: Measure, view: View | None, dense: list[Cell], pruned: list[Cell]) -> Inputs:
        """Return the keys of what a measure on populations reads."""
        inputs: dict[str, tuple[str, ...]] = {}
        for role, cells in (("dense", dense), ("pruned", pruned)):
            if "logits" in measure.card.evidence and view is not None:
                inputs[f"{role}_logits"] = tuple(cell.logits[view.name] for cell in cells)
            if "state" in measure.card.evidence:
                inputs[f"{role}_states"] = tuple(cell.state for cell in cells)
            if "activations" in measure.card.evidence and view is not None:
                inputs[f"{role}_activations"] = tuple(self._activations(measure, view, cell.state) for cell in cells)
        if "activations" in measure.card.evidence and view is not None:
            fresh = [self._init_node(cell.seed) for cell in dense]
            inputs["untrained_activations"] = tuple(self._activations(measure, view, state) for state in fresh)
        return inputs

    def _activations(self, measure: Measure, view: View, state: str) -> str:
        """Add the node of one network's activations; measures that keep the same ones share it."""
        tapping = measure.tapping
        identity = {"view": view.canonical(), "tapping": tapping.canonical()}
        complete = {"view": view.canonical(complete=True), "tapping": tapping.canonical(complete=True)}
        return self._enter(make_node("activations", identity, complete, {"state": state, "data": self.data}))
