"""The plan: a study as a graph of small nodes, each named by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from prunescope.core.errors import PrunescopeError
from prunescope.study.measuring import Cell, Graph, Measured, Planned
from prunescope.study.node import Node, make_node
from prunescope.study.study import Study
from prunescope.training import Level, Prune, Reweight, Rewind, Sampled, Stage, Train


@dataclass(frozen=True, kw_only=True)
class Plan(Planned):
    """A study as nodes."""

    study: Study


def plan_study(study: Study) -> Plan:
    """Expand a study to its nodes. Recipes that begin alike share their first nodes."""
    return _Planner(study).plan()


class Line(NamedTuple):
    """One network's way through a recipe: its seed, and which of the recipe's draws."""

    recipe: str
    seed: int
    draw: int


class _Planner:
    def __init__(self, study: Study) -> None:
        self.study = study
        self.graph = Graph(self._data_node(), study.model.gpu_share)
        self.cells: dict[tuple[str, str], list[Cell]] = {}
        self.levels: dict[str, tuple[Level, ...]] = {}
        self.ends: dict[Line, str] = {}
        self.first_train: dict[Line, tuple[Train, str]] = {}

    def plan(self) -> Plan:
        for name in self.study.recipes:
            self._expand(name)
        measured = tuple(item for name in self.study.recipes for item in self._measured(name))
        measured += tuple(self._compared())
        cells = tuple(cell for group in self.cells.values() for cell in group)
        nodes, data = self.graph.nodes, self.graph.data
        if self.study.time_limit is not None:
            nodes = {key: replace(node, limit=self.study.time_limit) for key, node in nodes.items()}
        return Plan(name=self.study.name, study=self.study, nodes=nodes, cells=cells, measured=measured, data=data)

    def _data_node(self) -> Node:
        study = self.study
        source = {"source": dict(study.data.identity()), "validation": study.validation}
        normalize = None if study.normalize is None else study.normalize.canonical(complete=True)
        identity = {**source, **({"normalize": normalize} if normalize else {})}
        payload = {"source": study.data.spec(complete=True), "validation": study.validation, "normalize": normalize}
        return make_node("data", identity, {**source, "normalize": normalize}, {}, payload, artefact="data")

    def _init_node(self, seed: int) -> str:
        model, pretrained = self.study.model, self.study.init
        start: dict[str, Any] = {"seed": seed}
        content = {} if pretrained is None else {"init": pretrained.identity()}
        place = {} if pretrained is None else {"init": pretrained.canonical(complete=True)}
        identity, complete = {"model": model.spec(), **start}, {"model": model.spec(complete=True), **start}
        return self.graph.enter(
            make_node("init", identity | content, complete | content, {"data": self.graph.data}, complete | place)
        )

    def _expand(self, name: str) -> None:
        recipe = self.study.recipes[name]
        self.levels[name] = recipe.expand(self.levels[recipe.start][-1].sparsity if recipe.start else 0.0)
        for seed in self.study.seeds:
            for draw in range(recipe.draws):
                self._descend(Line(name, seed, draw))

    def _descend(self, line: Line) -> None:
        """Add the stages and the networks of one line, level by level."""
        recipe, initial = self.study.recipes[line.recipe], self._init_node(line.seed)
        parent = Line(recipe.start, line.seed, 0) if recipe.start else None
        start = self.ends[parent] if parent else initial
        if parent in self.first_train:
            self.first_train[line] = self.first_train[parent]
        reached: list[str] = []
        for level in self.levels[line.recipe]:
            state = start if level.after is None else reached[level.after]
            for number, stage in enumerate(level.stages):
                siblings = f"{line.recipe}/{level.label}/{number}"
                state = self._stage_node(line, stage.at_draw(line.draw), state, siblings)
            reached.append(state)
            place = (line.recipe, level.label, level.sparsity, line.seed)
            cell = self.graph.cell(*place, state, initial, self.study.views, line.draw)
            self.cells.setdefault((line.recipe, level.label), []).append(cell)
        self.ends[line] = reached[-1]

    def _stage_node(self, line: Line, stage: Stage, state: str, siblings: str) -> str:
        inputs: dict[str, str] = {"state": state}
        if isinstance(stage, Train):
            self.first_train.setdefault(line, (stage, state))
        if stage.needs_data:
            inputs["data"] = self.graph.data
        if isinstance(stage, Rewind) and stage.to == "weights":
            inputs["early"] = self._early(line, stage)
        if isinstance(stage, Reweight):
            inputs["whole"] = str(self.graph.nodes[state].inputs["state"])  # what the pruning before it acted on
        if isinstance(stage, Prune) and stage.sampled is not None:
            inputs["sampled"] = self._sampled(stage.sampled, state)
        taken = stage.takes_siblings
        return self.graph.add(stage.member_name, stage, inputs, "" if taken == "no" else siblings, taken == "close")

    def _early(self, line: Line, rewind: Rewind) -> str:
        """Return the state at ``rewind.at`` of the first training: that training, stopped there."""
        if line not in self.first_train:
            raise PrunescopeError("rewind has no training before it", where=f"recipes.{line.recipe}")
        first, start = self.first_train[line]
        if not rewind.at.epochs and not rewind.at.iterations:
            return start
        return self.graph.add(
            "train", first.model_copy(update={"stop": rewind.at}), {"state": start, "data": self.graph.data}
        )

    def _sampled(self, sampled: Sampled, state: str) -> str:
        inputs = {"state": state, "data": self.graph.data}
        identity, complete = sampled.canonical(), sampled.canonical(complete=True)
        return self.graph.enter(make_node("sampled", identity, complete, inputs, artefact="sampled"))

    def _measured(self, recipe: str) -> Iterable[Measured]:
        """Yield what is measured of a recipe: level by level, and over its levels unless it is its own reference."""
        dense_name = self.study.dense_of(recipe)
        dense = self.cells[dense_name, self.levels[dense_name][-1].label]
        parents = {cell.seed: cell for cell in _first(dense)}
        levels = [self.cells[recipe, level.label] for level in self.levels[recipe]]
        by_scope = {
            scope: [m for m in self.study.measures if m.card.scope == scope] for scope in ("populations", "curve")
        }
        for level in levels:
            pruned = level[0].sparsity > 0
            for measure in (m for m in by_scope["populations"] if not (pruned and m.card.dense)):
                shown = level if measure.card.draws else _first(level)
                before = [parents[cell.seed] for cell in shown]
                yield from self.graph.measure_level(measure, self.study.views, before, shown)
        for measure in by_scope["curve"] if recipe != dense_name else ():
            first = [_first(level) for level in levels]
            yield from self.graph.measure_curve(measure, self.study.views, _first(dense), first)

    def _compared(self) -> Iterable[Measured]:
        """Yield what compares recipes with each other, at every sparsity that several pruned ones have."""
        measures = [measure for measure in self.study.measures if measure.card.scope == "recipes"]
        pairs: dict[str, dict[str, tuple[list[Cell], list[Cell]]]] = {}
        for (recipe, level), pruned in self.cells.items() if measures else ():
            dense = self.study.dense_of(recipe)
            if recipe != dense:
                reference = self.cells[dense, self.levels[dense][-1].label]
                pairs.setdefault(level, {})[recipe] = (_first(reference), _first(pruned))
        for level in sorted(pairs, key=lambda level: next(iter(pairs[level].values()))[1][0].sparsity):
            for measure in measures if len(pairs[level]) > 1 else ():
                yield from self.graph.measure_recipes(measure, self.study.views, pairs[level])


def _first(cells: Sequence[Cell]) -> list[Cell]:
    """Return the networks of the first draw, one for each seed."""
    return [cell for cell in cells if cell.draw == 0]
