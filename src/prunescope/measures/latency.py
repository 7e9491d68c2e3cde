"""Latency: measured time for an image, and what pruning saved of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prunescope.core.statistics import percentile_interval
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.inference import Inference, Timing
from prunescope.measures.subject import Populations, Subject

MILLISECONDS = 1000.0
RESAMPLES = 1000


def median_draws(seconds: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Return the median of times ``[rounds]``, and after it those of 1000 bootstrap resamples.

    Example:
        >>> float(median_draws(np.array([1.0, 1.0, 1.0, 9.0, 1.0]))[0])
        1.0
    """
    rows = np.random.default_rng(seed).integers(len(seconds), size=(RESAMPLES, len(seconds)))
    return np.concatenate([[np.median(seconds)], np.median(seconds[rows], axis=1)])


@MEASURES.register("latency")
class Latency(Measure):
    r"""Median wall time for one image where the networks ran, and $\text{speed-up} = t_\text{dense} / t_\text{pruned}$.

    A mask alone saves no time; removed filters do. Times are means over networks of the median over rounds; the
    interval is the bootstrap's over rounds, so it knows the noise within a run, not that between runs. They belong to
    the device and its load when they were taken: compare within one run, on a quiet machine.

    Attributes:
        batch: images at once.
        rounds: forward passes that are timed.

    Cost: ``rounds`` forward passes of one batch for each network.
    """

    batch: Annotated[int, Field(ge=1)] = 1
    rounds: Annotated[int, Field(ge=5)] = 30

    card: ClassVar[Card] = Card(
        title="Latency",
        scope="populations",
        evidence=frozenset({"latency"}),
        quantities={
            "latency": Quantity(
                unit="ms", better="lower", range=(0, None), meaning="time for one image; floor: the dense networks"
            ),
            "speedup": Quantity(
                unit="ratio", better="higher", range=(0, None), meaning="time of the dense networks over that of these"
            ),
        },
        source="wall clock; median of repeated forward passes",
    )

    def inference(self, kind: str) -> Inference:
        """Return the timing of this batch."""
        assert kind == "latency"
        return Timing(batch=self.batch, rounds=self.rounds)

    def __call__(self, shown: Populations) -> Measurement:
        """Return time and speed-up over all networks."""
        before, after = (self._draws(side) for side in (shown.dense, shown.pruned))
        n = self.rounds * len(shown.dense)
        ratio, floor = before / after, (before[0], *around(before))
        values = (
            Value.of("latency", MILLISECONDS * after[0], n, interval=around(after), floor=floor, scale=MILLISECONDS),
            Value.of("speedup", ratio[0], n, interval=around(ratio)),
        )
        return Measurement(values=values, notes=(f"batches of {self.batch}",))

    @staticmethod
    def _draws(subjects: tuple[Subject, ...]) -> NDArray[np.float64]:
        times = [subject.evidence("latency")["seconds"].numpy() for subject in subjects]
        return np.asarray(np.mean([median_draws(seconds) for seconds in times], axis=0))


def around(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval of the draws, widened to hold the value that stands before them."""
    low, high = percentile_interval(draws[1:])
    return min(low, float(draws[0])), max(high, float(draws[0]))
