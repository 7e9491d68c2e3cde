import numpy as np
import pytest
import torch

from prunescope.measures import Latency
from prunescope.measures.latency import median_draws


def timed(synthetic, dense, pruned):
    whole = synthetic.populations(networks=len(dense))
    sides = {
        side: tuple(
            synthetic.changed(subject, latency={"seconds": torch.tensor(seconds, dtype=torch.float64)})
            for subject, seconds in zip(getattr(whole, side), times, strict=True)
        )
        for side, times in (("dense", dense), ("pruned", pruned))
    }
    return type(whole)(**sides)


def test_the_median_over_rounds_in_milliseconds_and_the_ratio(synthetic):
    found = Latency()(timed(synthetic, [[0.004, 0.004, 0.1]], [[0.002, 0.002, 0.002]]))
    assert found["latency"].value == pytest.approx(2) and found["latency"].floor == pytest.approx(4)
    assert found["speedup"].value == pytest.approx(2) and found["latency"].n == 30


def test_times_are_means_over_networks_and_noise_widens_the_interval(synthetic):
    found = Latency()(timed(synthetic, [[0.004] * 9, [0.002] * 9], [[0.001] * 9, [0.001, 0.003, 0.002] * 3]))
    assert found["latency"].floor == pytest.approx(3) and found["latency"].value == pytest.approx(1.5)
    assert found["latency"].low < 1.5 < found["latency"].high
    assert found["latency"].floor_low == found["latency"].floor_high == pytest.approx(3)


def test_draws_begin_with_the_median_itself():
    seconds = np.array([3.0, 1.0, 2.0])
    draws = median_draws(seconds)
    assert draws[0] == 2 and len(draws) == 1001 and set(draws) == {1.0, 2.0, 3.0}
