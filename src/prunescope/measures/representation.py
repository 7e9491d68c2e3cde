"""Representation similarity, layer by layer: dense against pruned, with three floors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from prunescope import similarity
from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import spread_interval
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.inference import Activations, Inference
from prunescope.measures.inference.activations import Layers, Space
from prunescope.measures.subject import Populations

Network = Mapping[str, Tensor]
FLOORS = ("separate", "untrained", "permuted")
PERMUTATIONS = 5


def layer_values(
    dense: Network, other: Network, metric: str, **options: Any
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the similarity of each layer in two networks, and the reason for each layer that has none.

    Args:
        dense: ``{layer: [n, p]}``.
        other: the same layers and examples of another network; widths may differ.
        metric: as in ``similarity.layer_grid``.
        options: of the metric.

    Example:
        >>> import torch
        >>> x = torch.arange(20.0).view(10, 2) ** 2
        >>> values, refused = layer_values({"a": x, "b": x}, {"a": 3 * x, "b": torch.ones(10, 2)}, "nbs")
        >>> round(values["a"], 6), list(refused)
        (1.0, ['b'])
    """
    values: dict[str, float] = {}
    refused: dict[str, str] = {}
    for layer in dense:
        if layer not in other:
            refused[layer] = "the other network has no such layer"
            continue
        try:
            grid = similarity.layer_grid([dense[layer]], [other[layer]], metric, **options)
        except PrunescopeError as error:
            refused[layer] = error.problem + (f" ({error.got})" if error.got else "")
        else:
            values[layer] = float(grid[0, 0])
    return values, refused


class Representation(Measure):
    """Shared by the similarity measures: which layers are compared, in which form, on how many examples.

    A layer's value is the mean over networks of (dense parent, pruned network). Three floors stand beside it:
    ``separate``, two dense networks of different seeds (another training changes as much); ``untrained``, the dense
    network against its initial weights; ``permuted``, the examples of one side put in random order (nothing in
    common). Layers that a metric cannot compare (dead, or too few examples) are left out with the reason. The
    array ``grid`` compares every layer with every other one where all have the same examples (not with ``samples``).
    """

    layers: Layers = "weights"
    space: Space = "pool"
    rows: Annotated[int, Field(ge=2)] = 10_000

    untrained: ClassVar[bool] = True
    metric: ClassVar[str]

    def inference(self, kind: str) -> Inference:
        """Return what is kept of each network's activations."""
        assert kind == "activations"
        return Activations(layers=self.layers, space=self.space, rows=self.rows)

    def options(self) -> dict[str, Any]:
        """Return the metric's own options."""
        return self.model_dump(exclude=set(Representation.model_fields))

    def __call__(self, shown: Populations) -> Measurement:
        """Compare every pruned network with its dense parent."""
        with warnings.catch_warnings(record=True) as small:
            warnings.simplefilter("always", similarity.SmallSampleWarning)
            values, refused = self._over([(p.dense.activations, p.pruned.activations) for p in shown.pairs])
            if not values:
                told = "; ".join(f"{layer}: {why}" for layer, why in refused.items())
                return Measurement.not_applicable(told or "the networks have no layer of one name")
            floors = self._floors(shown, list(values))
            arrays = self._grid(shown, list(values))
        notes = [f"positions as {self.space}", *(f"{layer} left out: {why}" for layer, why in refused.items())]
        notes += sorted({str(warning.message) for warning in small})
        return Measurement(values=tuple(self._values(shown, values, floors)), arrays=arrays, notes=tuple(notes))

    def _over(self, pairs: Sequence[tuple[Network, Network]]) -> tuple[dict[str, list[float]], dict[str, str]]:
        """Return the values by layer over pairs of networks; a layer refused in any pair is left out."""
        refused: dict[str, str] = {}
        found: dict[str, list[float]] = {}
        for dense, other in pairs:
            values, without = layer_values(dense, other, self.metric, **self.options())
            refused |= without
            for layer, value in values.items():
                found.setdefault(layer, []).append(value)
        return {layer: values for layer, values in found.items() if layer not in refused}, refused

    def _floors(self, shown: Populations, layers: list[str]) -> dict[str, dict[str, list[float]]]:
        """Return the floors by kind and layer; networks are taken in the order of their seeds."""
        order = sorted(range(len(shown.dense)), key=lambda i: shown.dense[i].seed)
        dense = [_only(shown.dense[i].activations, layers) for i in order]
        fresh = [_only(shown.untrained[i].activations, layers) for i in order] if shown.untrained else []
        pruned = shown.pruned[order[0]].activations
        permuted = {
            layer: similarity.permutation_floor(
                self.metric, dense[0][layer], pruned[layer], draws=PERMUTATIONS, **self.options()
            ).tolist()
            for layer in layers
        }
        separate = self._over(list(pairwise(dense)))[0]
        return {
            "separate": separate,
            "untrained": self._over(list(zip(dense, fresh, strict=False)))[0],
            "permuted": permuted,
        }

    def _grid(self, shown: Populations, layers: list[str]) -> dict[str, NDArray[np.float64]]:
        """Return ``grid [layers of dense, layers of pruned]``, the mean over networks, if the layers share examples."""
        if len({len(shown.dense[0].activations[layer]) for layer in layers}) > 1:
            return {}
        grids = [
            similarity.layer_grid(
                [pair.dense.activations[layer] for layer in layers],
                [pair.pruned.activations[layer] for layer in layers],
                self.metric,
                **self.options(),
            )
            for pair in shown.pairs
        ]
        return {"grid": np.asarray(np.mean(grids, axis=0), dtype=np.float64)}

    def _values(
        self, shown: Populations, values: Mapping[str, list[float]], floors: Mapping[str, Mapping[str, list[float]]]
    ) -> list[Value]:
        told: list[Value] = []
        rows = {layer: len(shown.dense[0].activations[layer]) for layer in values}
        for layer, by_seed in values.items():
            n = rows[layer]
            told.append(self._mean("similarity", by_seed, n, layer, floors["separate"].get(layer, [])))
            for subject, value in zip(shown.pruned, by_seed, strict=True):
                told.append(Value(quantity="similarity", value=value, n=n, item=layer, seed=subject.seed))
            told += [self._mean(kind, floors[kind][layer], n, layer) for kind in FLOORS if floors[kind].get(layer)]
            told += self._facts(shown, layer)
        lowest = min(values, key=lambda layer: float(np.mean(values[layer])))
        told.append(self._mean("mean", np.mean(list(values.values()), axis=0).tolist(), min(rows.values())))
        told.append(self._mean("lowest", values[lowest], rows[lowest]))
        return told

    def _facts(self, shown: Populations, layer: str) -> list[Value]:
        """Return what the values of a layer rest on, mean over the networks of each side."""
        told: list[Value] = []
        for prefix, side in (("", shown.pruned), ("dense_", shown.dense)):
            by_network = [
                similarity.layer_facts(subject.activations[layer], self.metric, **self.options()) for subject in side
            ]
            for name in ("features", "dropped", "rank"):
                counts = [count for facts in by_network if (count := getattr(facts, name)) is not None]
                if counts:
                    n = by_network[0].n
                    told.append(Value(quantity=prefix + name, value=float(np.mean(counts)), n=n, item=layer))
        return told

    def _mean(
        self, quantity: str, values: Sequence[float], n: int, item: str = "", floor: Sequence[float] = ()
    ) -> Value:
        """Return the mean over networks with the interval that their spread gives, cut to the possible range."""
        low, high = spread_interval(values) if len(values) > 1 else (None, None)
        bottom = self.card.quantities[quantity].range[0]
        return Value(
            quantity=quantity,
            value=float(np.mean(values)),
            n=n,
            item=item,
            low=low if low is None or bottom is None else max(low, bottom),
            high=None if high is None else min(high, 1.0),
            floor=float(np.mean(floor)) if floor else None,
            floor_low=min(floor, default=None),
            floor_high=max(floor, default=None),
        )


def _only(network: Network, layers: list[str]) -> Network:
    return {layer: network[layer] for layer in layers}


def _card(title: str, low: float | None, source: str) -> Card:
    def quantity(meaning: str) -> Quantity:
        return Quantity(unit="similarity", better="higher", range=(low, 1), meaning=meaning)

    return Card(
        title=title,
        scope="populations",
        evidence=frozenset({"activations"}),
        quantities={
            "similarity": quantity("of one layer in the dense and the pruned network; floor: two dense networks"),
            "mean": quantity("mean of the similarity over the layers"),
            "lowest": quantity("similarity of the layer that changed most"),
            "separate": quantity("of one layer in two dense networks of different seeds"),
            "untrained": quantity("of one layer in the dense network and at its initial weights"),
            "permuted": quantity("of one layer with the examples of one side in random order"),
            **_counts("", "pruned"),
            **_counts("dense_", "dense"),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        source=source,
    )


def _counts(prefix: str, network: str) -> dict[str, Quantity]:
    def quantity(least: int, meaning: str) -> Quantity:
        return Quantity(unit="count", better="neither", range=(least, None), meaning=f"{meaning}, {network} network")

    return {
        f"{prefix}features": quantity(1, "width of the layer"),
        f"{prefix}dropped": quantity(0, "constant features of the layer, left out"),
        f"{prefix}rank": quantity(1, "dimensions of the layer that canonical correlations compare"),
    }


@MEASURES.register("cka")
class Cka(Representation):
    """Centred kernel alignment by layer, debiased unless told otherwise."""

    metric: ClassVar[str] = "cka"
    card: ClassVar[Card] = _card("CKA", None, "Kornblith et al. 2019 (arXiv 1905.00414); debiased: Song et al. 2012")

    debiased: bool = True


@MEASURES.register("cca")
class Cca(Representation):
    """Mean of all canonical correlations by layer."""

    metric: ClassVar[str] = "cca"
    card: ClassVar[Card] = _card("Mean CCA", 0, "Hotelling 1936; Raghu et al. 2017 (arXiv 1706.05806)")


@MEASURES.register("svcca")
class Svcca(Representation):
    """Mean canonical correlation after each layer is cut to the directions that hold ``variance`` of its variance."""

    metric: ClassVar[str] = "svcca"
    card: ClassVar[Card] = _card("SVCCA", 0, "Raghu et al. 2017 (arXiv 1706.05806)")

    variance: Annotated[float, Field(gt=0, le=1)] = 0.99


@MEASURES.register("pwcca")
class Pwcca(Representation):
    """Canonical correlations by layer, weighted by how much of the dense layer each canonical variate explains."""

    metric: ClassVar[str] = "pwcca"
    card: ClassVar[Card] = _card("PWCCA", 0, "Morcos et al. 2018 (arXiv 1806.05759); weighted by the dense side")


@MEASURES.register("nbs")
class Nbs(Representation):
    """Normalised Bures similarity by layer, linear kernel."""

    metric: ClassVar[str] = "nbs"
    card: ClassVar[Card] = _card("NBS", 0, "Tang et al. 2020 (arXiv 2003.11498)")
