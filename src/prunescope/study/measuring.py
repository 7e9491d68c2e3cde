"""Measuring: the nodes that look at networks, and what their numbers belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prunescope.data import View
from prunescope.measures import Measure
from prunescope.measures.inference import Inference, Logits
from prunescope.study.node import Inputs, Node, make_node

VIEWLESS = frozenset({"state"})


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One network of the study: where it stands, which nodes hold it, and the node of its initial weights.

    ``draw`` counts the times that its recipe prunes one network; 0 is the first.
    """

    recipe: str
    level: str
    sparsity: float
    seed: int
    state: str
    initial: str
    logits: Mapping[str, str]
    draw: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measure node and where its numbers belong; what it looks at all of together is None."""

    measure: str
    recipe: str | None
    level: str | None
    sparsity: float | None
    view: str | None
    key: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Nodes in an order in which each stands after its inputs, and what they mean; ``data`` is one of their keys."""

    name: str
    nodes: Mapping[str, Node]
    cells: tuple[Cell, ...]
    measured: tuple[Measured, ...]
    data: str


class Graph:
    """Nodes by key, each after its inputs, that look at networks made from one data node.

    Args:
        data: the node.
        gpu: share of a GPU that a network wants.
        wider: another node of the same images with further splits, for what reads those.
    """

    def __init__(self, data: Node, gpu: float, wider: Node | None = None) -> None:
        self._gpu = gpu
        self.nodes: dict[str, Node] = {node.key: node for node in (data, wider) if node is not None}
        self.wider = data.key if wider is None else wider.key
        self.data = data.key
        self._specs: dict[int, tuple[dict[str, Any], dict[str, Any], object]] = {}
        self._inferred: dict[tuple[Inference, View, str], str] = {}

    def add(self, kind: str, member: Any, inputs: Inputs, siblings: str = "", close: bool = False) -> str:
        """Add the node of a registered member (a stage) and return its key."""
        identity, complete = self.spec(member)
        node = make_node(kind, identity, complete, inputs, gpu=self._gpu)
        return self.enter(replace(node, siblings=siblings, close=close))

    def enter(self, node: Node) -> str:
        """Add a node and return its key."""
        self.nodes.setdefault(node.key, node)
        return node.key

    def spec(self, member: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Dump a member once, without defaults and complete; it is kept so that its id stays its own."""
        known = self._specs.get(id(member))
        if known is None:
            dump = member.canonical if isinstance(member, View) else member.spec
            known = self._specs[id(member)] = (dump(), dump(complete=True), member)
        return known[0], known[1]

    def infer(self, inference: Inference, view: View, state: str) -> str:
        """Add the node in which a network looks at a view; measures that want the same evidence share it."""
        known = self._inferred.get((inference, view, state))
        if known is not None:
            return known
        (seen, seen_complete), kind = self.spec(view), inference.member_name
        identity = {"view": seen, "options": inference.canonical()}
        complete = {"view": seen_complete, "options": inference.canonical(complete=True)}
        inputs = {"state": state, "data": self.wider if inference.splits else self.data}
        payload = complete | {"view": view.plain()}
        node = make_node(kind, identity, complete, inputs, payload, artefact=kind, gpu=self._gpu)
        self._inferred[inference, view, state] = self.enter(node)
        return node.key

    def cell(
        self,
        recipe: str,
        level: str,
        sparsity: float,
        seed: int,
        state: str,
        initial: str,
        views: Sequence[View],
        draw: int = 0,
    ) -> Cell:
        """Return a network with its logits on every view."""
        return Cell(
            recipe=recipe,
            level=level,
            sparsity=sparsity,
            seed=seed,
            state=state,
            initial=initial,
            logits={view.name: self.infer(Logits(), view, state) for view in views},
            draw=draw,
        )

    def measure_level(
        self, measure: Measure, views: Sequence[View], dense: Sequence[Cell], pruned: Sequence[Cell]
    ) -> Iterator[Measured]:
        """Yield the node of a measure on two populations for each view that it sees; one for all if it needs none."""
        viewless = measure.card.evidence <= VIEWLESS
        for view in [None] if viewless else [view for view in views if measure.sees(view)]:
            sides = {"dense": [(view, cell) for cell in dense], "pruned": [(view, cell) for cell in pruned]}
            yield Measured(
                measure=measure.member_name,
                recipe=pruned[0].recipe,
                level=pruned[0].level,
                sparsity=pruned[0].sparsity,
                view=view.name if view else None,
                key=self._measure_node(measure, sides, {}),
                seeds=tuple(dict.fromkeys(cell.seed for cell in pruned)),
            )

    def measure_curve(
        self, measure: Measure, views: Sequence[View], dense: Sequence[Cell], levels: Sequence[Sequence[Cell]]
    ) -> Iterator[Measured]:
        """Yield the one node of a measure on all levels of a recipe and all views that it sees, if there are any."""
        seen = [view for view in views if measure.sees(view)]
        if not seen:
            return
        sides = {
            "dense": [(view, cell) for view in seen for cell in dense],
            "pruned": [(view, cell) for view in seen for level in levels for cell in level],
        }
        shape = {"sparsities": [level[0].sparsity for level in levels], "views": [view.name for view in seen]}
        yield Measured(
            measure=measure.member_name,
            recipe=levels[0][0].recipe,
            level=None,
            sparsity=None,
            view=None,
            key=self._measure_node(measure, sides, shape),
            seeds=tuple(cell.seed for cell in dense),
        )

    def measure_recipes(
        self, measure: Measure, views: Sequence[View], pairs: Mapping[str, tuple[Sequence[Cell], Sequence[Cell]]]
    ) -> Iterator[Measured]:
        """Yield the node of a measure on the dense and pruned networks of several recipes for each view it sees."""
        first = next(iter(pairs.values()))[1]
        for view in [view for view in views if measure.sees(view)]:
            sides = {
                "dense": [(view, cell) for dense, _ in pairs.values() for cell in dense],
                "pruned": [(view, cell) for _, pruned in pairs.values() for cell in pruned],
            }
            yield Measured(
                measure=measure.member_name,
                recipe=None,
                level=first[0].level,
                sparsity=first[0].sparsity,
                view=view.name,
                key=self._measure_node(measure, sides, {"recipes": list(pairs)}),
                seeds=tuple(cell.seed for cell in first),
            )

    def _measure_node(
        self, measure: Measure, sides: Mapping[str, Sequence[tuple[View | None, Cell]]], shape: Mapping[str, Any]
    ) -> str:
        inputs: dict[str, str | tuple[str, ...]] = {}
        for side, shown in sides.items():
            for kind in sorted(measure.card.evidence - {"images"}):
                inputs[f"{side}_{kind}"] = tuple(
                    self._evidence(measure, kind, view, cell.state) for view, cell in shown
                )
                if side == "dense" and measure.untrained:
                    fresh = (self._evidence(measure, kind, view, cell.initial) for view, cell in shown)
                    inputs[f"untrained_{kind}"] = tuple(fresh)
        about: dict[str, Any] = dict(shape)
        if "images" in measure.card.evidence:
            inputs["data"] = self.data
            about["images"] = [view.canonical() for view in _distinct(view for view, _ in sides["dense"])]
        identity, complete = self.spec(measure)
        payload = {"measure": complete, **about}
        node = make_node("measure", {**identity, **about}, {**complete, **about}, inputs, payload, artefact="measure")
        return self.enter(node)

    def _evidence(self, measure: Measure, kind: str, view: View | None, state: str) -> str:
        if kind == "state":
            return state
        assert view is not None, "what is inferred is inferred on a view"
        return self.infer(measure.inference(kind), view, state)


def _distinct(views: Iterable[View | None]) -> list[View]:
    return list(dict.fromkeys(view for view in views if view is not None))
