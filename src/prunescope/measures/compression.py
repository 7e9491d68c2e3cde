"""Compression: the three sparsities, and what they save in parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import spread_within
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.multiply_adds import kept_multiply_adds, positions
from prunescope.measures.subject import Populations, Subject
from prunescope.models import auxiliary
from prunescope.pruning.mask import Mask, prunable


class Counts(NamedTuple):
    """What a network holds: prunable weights, all parameters, multiply-adds (None where they cannot be counted)."""

    weights: int
    parameters: int
    multiply_adds: int | None


def compression(kept: Counts, original: Counts) -> dict[str, float]:
    r"""Return the sparsities $1 - \text{kept}/\text{original}$ and the ratios $\text{original}/\text{kept}$.

    What is undefined is left out: a ratio when nothing is kept, multiply-adds when they were not counted.

    Raises:
        PrunescopeError: when more is kept than there was.

    Source: Blalock et al., What is the State of Neural Network Pruning?, MLSys 2020, section 3.

    Example:
        >>> compression(Counts(10, 30, 50), Counts(100, 120, 200))["compression_ratio"]
        4.0
    """
    if kept.weights > original.weights or kept.parameters > original.parameters:
        raise PrunescopeError("the pruned network is larger than the dense one", expected=original, got=kept)
    found = {
        "sparsity": 1 - kept.weights / original.weights,
        "parameter_sparsity": 1 - kept.parameters / original.parameters,
        "parameters": float(kept.parameters),
    }
    if kept.parameters:
        found["compression_ratio"] = original.parameters / kept.parameters
    if kept.multiply_adds is not None and original.multiply_adds is not None:
        found["multiply_adds"] = float(kept.multiply_adds)
        found["multiply_add_sparsity"] = 1 - kept.multiply_adds / original.multiply_adds
        if kept.multiply_adds:
            found["speedup"] = original.multiply_adds / kept.multiply_adds
    return found


class _Anatomy(NamedTuple):
    """A dense architecture: sizes and uses of its prunable weights, its parameters, why uses are unknown."""

    sizes: Mapping[str, int]
    uses: Mapping[str, int] | None
    parameters: int
    problem: str

    def counts(self, mask: Mask | None) -> Counts:
        """Return what a mask keeps."""
        kept = self.kept(mask)
        removed = sum(self.sizes.values()) - sum(kept.values())
        used = None if self.uses is None else sum(kept_multiply_adds(self.uses, self.sizes, mask).values())
        return Counts(sum(kept.values()), self.parameters - removed, used)

    def kept(self, mask: Mask | None) -> dict[str, int]:
        """Return survivors by name of the weight; what the mask does not cover is whole."""
        counts = {} if mask is None else mask.counts()
        return {name: counts[name][0] if name in counts else size for name, size in self.sizes.items()}


@MEASURES.register("compression")
class Compression(Measure):
    """Sparsity of the prunable weights, of all parameters and of the multiply-adds, counted from the masks.

    A mask makes a network neither faster nor smaller by itself: the speed-up is theoretical, original multiply-adds
    over kept ones in Conv and Linear layers. Numbers are means over networks, with the spread over seeds.

    Cost: one forward pass of one image for each architecture.
    """

    card: ClassVar[Card] = Card(
        title="Compression",
        scope="populations",
        evidence=frozenset({"state"}),
        quantities={
            "sparsity": Quantity(
                unit="share",
                better="neither",
                range=(0, 1),
                neutral=0,
                meaning="pruned share of Conv and Linear weights",
            ),
            "parameter_sparsity": Quantity(
                unit="share", better="neither", range=(0, 1), neutral=0, meaning="pruned share of all parameters"
            ),
            "multiply_add_sparsity": Quantity(
                unit="share", better="neither", range=(0, 1), neutral=0, meaning="pruned share of the multiply-adds"
            ),
            "parameters": Quantity(
                unit="count", better="lower", range=(0, None), meaning="parameters left, biases and norms included"
            ),
            "multiply_adds": Quantity(
                unit="count", better="lower", range=(0, None), meaning="multiply-adds left, for one image"
            ),
            "compression_ratio": Quantity(
                unit="ratio", better="higher", range=(1, None), neutral=1, meaning="original / kept parameters"
            ),
            "speedup": Quantity(
                unit="ratio", better="higher", range=(1, None), neutral=1, meaning="original / kept multiply-adds"
            ),
            "collapsed": Quantity(
                unit="count", better="lower", range=(0, None), neutral=0, meaning="layers without a survivor"
            ),
        },
        invariant_to=("network order", "example order", "class relabelling", "logit scale"),
        source="Blalock et al., What is the State of Neural Network Pruning?, MLSys 2020",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return all counts over the networks, and the sparsity of each layer."""
        known: dict[object, _Anatomy] = {}
        try:
            dense = [_anatomy(subject, known) for subject in shown.dense]
            pruned = [_anatomy(subject, known) for subject in shown.pruned]
        except PrunescopeError as error:
            return Measurement.not_applicable(f"the weights cannot be counted: {error}")
        masks = [subject.state.mask for subject in shown.pruned]
        rows = [compression(p.counts(m), d.counts(None)) for d, p, m in zip(dense, pruned, masks, strict=True)]
        survivors = [anatomy.kept(mask) for anatomy, mask in zip(pruned, masks, strict=True)]
        sizes = dense[0].sizes
        layers = {name: [1 - kept.get(name, 0) / size for kept in survivors] for name, size in sizes.items()}
        values = _whole(rows, dense[0].counts(None))
        gone = [float(sum(shares[index] == 1 for shares in layers.values())) for index in range(len(rows))]
        values.append(Value.of("collapsed", float(np.mean(gone)), len(sizes), interval=spread_within(gone, 0.0, None)))
        for name, shares in layers.items():
            mean, interval = float(np.mean(shares)), spread_within(shares, 0.0, 1.0)
            values.append(Value.of("sparsity", mean, sizes[name], interval=interval, item=name))
        problems = {
            f"multiply-adds are not counted: {anatomy.problem}" for anatomy in dense + pruned if anatomy.problem
        }
        return Measurement(values=tuple(values), notes=tuple(sorted(problems)))


def _whole(rows: list[dict[str, float]], original: Counts) -> list[Value]:
    """Return the mean over networks of each quantity that all of them have."""
    totals = dict.fromkeys(("parameters", "parameter_sparsity", "compression_ratio"), original.parameters)
    totals |= {"sparsity": original.weights}
    values = []
    for name in (name for name in rows[0] if all(name in row for row in rows)):
        numbers, (low, high) = [row[name] for row in rows], Compression.card.quantities[name].range
        n = totals.get(name, original.multiply_adds) or 0
        floor = (float(n), float(n), float(n)) if name in ("parameters", "multiply_adds") else None
        interval = spread_within(numbers, low, high)
        values.append(Value.of(name, float(np.mean(numbers)), n, interval=interval, floor=floor))
    return values


def _anatomy(subject: Subject, known: dict[object, _Anatomy]) -> _Anatomy:
    """Return the anatomy of a network; networks with tensors of the same names and shapes are taken apart once."""
    key = tuple((name, tuple(tensor.shape)) for name, tensor in subject.state.weights.items())
    if key not in known:
        net, uses, problem = subject.build(), None, ""
        try:
            uses = positions(net, subject.image_shape)
        except PrunescopeError as error:
            problem = str(error)
        sizes = {name: weight.numel() for name, weight in prunable(net).items()}
        aside = {id(parameter) for module in auxiliary(net) for parameter in module.parameters()}
        parameters = sum(parameter.numel() for parameter in net.parameters() if id(parameter) not in aside)
        known[key] = _Anatomy(sizes, uses, parameters, problem)
    return known[key]
