"""The plan of an audit: networks that are there, what looks at them, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from prunescope.core.errors import PrunescopeError
from prunescope.models.load import untrained
from prunescope.pruning import Mask, State
from prunescope.pruning.state import snapshot
from prunescope.study.artefacts import state_artefact
from prunescope.study.battery import Battery
from prunescope.study.measuring import Cell, Graph, Measured, Planned
from prunescope.study.networks import PRUNED, Network
from prunescope.study.node import make_node
from prunescope.study.run import needed
from prunescope.study.sight import Sight
from prunescope.study.store import Artefact, Store
from prunescope.training.recipe import DENSE


@dataclass(frozen=True, kw_only=True)
class Level:
    """Networks of one name, one for each dense network, and their mean sparsity (None: cannot be counted)."""

    name: str
    networks: tuple[Network, ...]
    sparsity: float | None

    @staticmethod
    def of(name: str, networks: Sequence[Network], dense: Sequence[Network]) -> Level:
        """Return the level of pruned networks and the dense ones they come from, in the same order.

        Raises:
            PrunescopeError: for another number of networks, or one that is larger than its dense one.
        """
        if len(networks) != len(dense):
            expected, got = f"{len(dense)}, one for each dense network", len(networks)
            raise PrunescopeError(
                "pruned networks must pair up with dense ones", expected=expected, got=got, where=name
            )
        shares = [network.sparsity(parent) for network, parent in zip(networks, dense, strict=True)]
        known = [share for share in shares if share is not None]
        mean = sum(known) / len(known) if len(known) == len(shares) else None
        return Level(name=name, networks=tuple(networks), sparsity=mean)


def recipes_of(levels: Sequence[Level]) -> dict[str, list[Level]]:
    """Return the levels by recipe: one curve when their sparsities differ, else a recipe for each network.

    Example:
        >>> a, b = (Level(name=n, networks=(), sparsity=s) for n, s in (("a", 0.9), ("b", 0.5)))
        >>> {name: [level.name for level in own] for name, own in recipes_of([a, b]).items()}
        {'pruned': ['b', 'a']}
    """
    known = [level for level in levels if level.sparsity is not None]
    ordered = sorted(known, key=lambda level: level.sparsity or 0.0)
    distinct = all(a.sparsity != b.sparsity for a, b in pairwise(ordered))
    if len(levels) > 1 and distinct and len(known) == len(levels):
        return {PRUNED: ordered}
    return {level.name: [level] for level in levels}


class AuditPlanner:
    """Builds the graph of an audit and keeps how to make the artefacts that only this process can make."""

    def __init__(self, sight: Sight, battery: Battery) -> None:
        self.graph, self.sight, self.battery = Graph(sight.node, gpu=1.0, wider=sight.wider), sight, battery
        self.makers: dict[str, Callable[[], Artefact]] = {}

    def plan(self, name: str, dense: Sequence[Network], levels: Sequence[Level]) -> Planned:
        """Return the nodes of an audit: the dense networks against themselves, then each recipe against them."""
        begin = self._initial_node if any(m.untrained for m in self.battery.measures) else self._state_node
        starts = [begin(network, seed) for seed, network in enumerate(dense)]
        references = self._cells(DENSE, DENSE, 0.0, dense, starts)
        recipes = {DENSE: [references]} | {
            recipe: [self._cells(recipe, lv.name, lv.sparsity or 0.0, lv.networks, starts) for lv in own]
            for recipe, own in recipes_of(levels).items()
        }
        measured: list[Measured] = []
        for recipe, reached in recipes.items():
            for measure in self.battery.measures:
                if recipe == DENSE and measure.untrained:
                    continue  # layers of a network against themselves are alike
                if measure.card.scope == "populations":
                    for level in reached:
                        measured += self.graph.measure_level(measure, self.battery.views, references, level)
                elif recipe != DENSE:
                    measured += self.graph.measure_curve(measure, self.battery.views, references, reached)
        cells = tuple(cell for reached in recipes.values() for group in reached for cell in group)
        return Planned(name=name, nodes=self.graph.nodes, cells=cells, measured=tuple(measured), data=self.graph.data)

    def write(self, plan: Planned, store: Store) -> None:
        """Write the images and the states that something missing needs."""
        self.sight.write(store)
        for node in needed(plan, store):
            if node.key in self.makers:
                store.write("state", node.key, node.spec, self.makers[node.key](), seconds=0.0, device="cpu")

    def _cells(
        self, recipe: str, level: str, sparsity: float, networks: Sequence[Network], starts: Sequence[str]
    ) -> list[Cell]:
        return [
            self.graph.cell(recipe, level, sparsity, seed, self._state_node(network, seed), start, self.battery.views)
            for seed, (network, start) in enumerate(zip(networks, starts, strict=True))
        ]

    def _state_node(self, network: Network, seed: int) -> str:
        identity = {"network": dict(network.identity), "seed": seed}
        return self._made("foreign", identity, network, lambda: network.state(seed))

    def _initial_node(self, network: Network, seed: int) -> str:
        def fresh() -> State:
            net = untrained(network.net, seed)
            return State(weights=snapshot(net), mask=Mask({n: k | True for n, k in network.mask.items()}), seed=seed)

        return self._made("untrained", {"network": dict(network.identity), "seed": seed}, network, fresh)

    def _made(self, kind: str, identity: Mapping[str, Any], network: Network, state: Callable[[], State]) -> str:
        node = make_node(kind, identity, identity, {"data": self.graph.data})
        blueprint = {**self.sight.about, "network": network.key}
        self.makers[node.key] = lambda: state_artefact(state(), blueprint, [])
        return self.graph.enter(node)
