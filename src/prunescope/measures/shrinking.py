"""Shrinking: size and measured time before and after the pruned filters are really removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import spread_within
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.latency import around, median_draws
from prunescope.measures.multiply_adds import multiply_adds
from prunescope.measures.subject import Populations
from prunescope.models.taps import evaluating
from prunescope.pruning.mask import Mask
from prunescope.pruning.shrink import shrink


class Footprint(NamedTuple):
    """What a network takes: parameters, multiply-adds for one image, kilobytes (1000) of a safetensors file."""

    parameters: int
    multiply_adds: int
    file_size: float


def footprint(net: nn.Module, image_shape: tuple[int, int, int]) -> Footprint:
    """Return what a network takes as it is, zeros included.

    Raises:
        PrunescopeError: as :func:`prunescope.measures.multiply_adds.multiply_adds`.
    """
    parameters = sum(parameter.numel() for parameter in net.parameters())
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in net.state_dict().items()}
    return Footprint(parameters, sum(multiply_adds(net, image_shape).values()), len(save(tensors)) / 1000)


@torch.no_grad()
def latencies(nets: Sequence[nn.Module], images: Tensor, repeats: int) -> NDArray[np.float64]:
    """Return the milliseconds of forward passes in evaluation mode on one CPU thread, ``[nets, repeats]``.

    The networks take turns, so that what else the machine does meets all of them; one turn goes before, untold.

    Args:
        nets: on the CPU.
        images: one batch.
        repeats: turns.
    """
    times = np.zeros((len(nets), repeats + 1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for turn in range(repeats + 1):
            for index, net in enumerate(nets):
                with evaluating(net):
                    start = time.perf_counter()
                    net(images)
                    times[index, turn] = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    return 1000 * times[:, 1:]


@MEASURES.register("shrinking")
class Shrinking(Measure):
    """Parameters, multiply-adds, file and measured latency after removing the filters that the mask leaves useless.

    Each number stands beside that of the dense network (its floor). Sizes are means over networks with the spread
    over seeds. Latency is the median over ``repeats`` forward passes of ``batch`` images on one CPU thread of the
    first network and of its dense parent in turns, its interval the bootstrap's; the quartiles are noted. Where no
    filter can be removed, as under masks of single weights, there is nothing to tell: those make no network faster.

    Cost: a shrunken copy of each network, and ``2 · repeats`` forward passes.

    Attributes:
        batch: images in one forward pass.
        repeats: how often each network is timed.
    """

    card: ClassVar[Card] = Card(
        title="Shrinking",
        scope="populations",
        evidence=frozenset({"state"}),
        quantities={
            "parameters": Quantity(unit="count", better="lower", range=(0, None), meaning="parameters after removal"),
            "multiply_adds": Quantity(
                unit="count", better="lower", range=(0, None), meaning="multiply-adds after removal, for one image"
            ),
            "file_size": Quantity(
                unit="kB", better="lower", range=(0, None), meaning="safetensors file after removal, 1000 bytes"
            ),
            "latency": Quantity(
                unit="ms", better="lower", range=(0, None), meaning="median time of one batch after removal"
            ),
            "measured_speedup": Quantity(
                unit="ratio", better="higher", range=(0, None), neutral=1, meaning="median of dense / shrunken time"
            ),
        },
        source="Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023; Blalock et al., What is the State of "
        "Neural Network Pruning?, MLSys 2020",
    )

    batch: Annotated[int, Field(ge=1)] = 32
    repeats: Annotated[int, Field(ge=4)] = 15

    def __call__(self, shown: Populations) -> Measurement:
        """Return sizes and times of the shrunken networks."""
        shape = shown.dense[0].image_shape
        try:
            nets = [shrink(net, Mask.full(net)) for net in (subject.network() for subject in shown.dense)]
            small = [shrink(subject.network(), subject.state.mask) for subject in shown.pruned]
            before, after = ([footprint(net, shape) for net in side] for side in (nets, small))
        except PrunescopeError as error:
            return Measurement.not_applicable(f"filters cannot be removed: {error}")
        if all(a.parameters == b.parameters for a, b in zip(after, before, strict=True)):
            return Measurement.not_applicable("no filter is pruned whole: masks of single weights remove nothing")
        values = [_size(name, after, before) for name in Footprint._fields]
        images = torch.rand(self.batch, *shape, generator=torch.Generator().manual_seed(0))
        dense, shrunken = latencies([nets[0], small[0]], images, self.repeats)
        values += [_time("latency", shrunken, floor=median_draws(dense)), _time("measured_speedup", dense / shrunken)]
        return Measurement(values=tuple(values), notes=(self._told(dense, shrunken),))

    def _told(self, dense: NDArray[np.float64], shrunken: NDArray[np.float64]) -> str:
        """Return how time was taken, and the quartiles of both sides."""
        quartiles = ("{:.3g} and {:.3g}".format(*np.percentile(times, (25, 75))) for times in (dense, shrunken))
        before, after = quartiles
        return (
            f"latency of {self.repeats} batches of {self.batch} images on one CPU thread, quartiles in ms: dense "
            f"{before}, shrunken {after}"
        )


def _time(name: str, times: NDArray[np.float64], floor: NDArray[np.float64] | None = None) -> Value:
    """Return the median of times with the 95 % interval of its bootstrap, beside that of the dense network."""
    told, null = (
        None if draws is None else (float(draws[0]), *around(draws)) for draws in (median_draws(times), floor)
    )
    assert told is not None
    return Value.of(name, told[0], len(times), interval=told[1:], floor=null)


def _size(name: str, after: Sequence[Footprint], before: Sequence[Footprint]) -> Value:
    """Return the mean over networks, beside that of the dense ones."""
    told, dense = ([float(getattr(one, name)) for one in side] for side in (after, before))
    whole = float(np.mean(dense))
    spread = spread_within(told, 0.0, None)
    return Value.of(name, float(np.mean(told)), len(told), interval=spread, floor=(whole, whole, whole))
