"""k-DPP sampling against DPPy.

Each side is given the kernel and returns all draws, so each pays for one eigendecomposition (both keep it for
the further draws). Both run on one thread; the best of several interleaved runs counts on each side.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from dppy.finite_dpps import FiniteDPP
from threadpoolctl import threadpool_limits

from prunescope.pruning import dpp

CASES = [(500, 83, 100), (200, 100, 100), (1000, 50, 100), (100, 10, 1000)]
REPEATS = 5


def rows() -> list[tuple[str, float, float]]:
    """Return (comparison, seconds ours, seconds of DPPy)."""
    return [
        (f"k-DPP, N={items} k={k}, {draws} draws and one eigendecomposition; DPPy", *_compare(items, k, draws))
        for items, k, draws in CASES
    ]


def _compare(items: int, k: int, draws: int) -> tuple[float, float]:
    features = np.random.default_rng(0).normal(size=(2 * items, items))
    kernel = features.T @ features / (2 * items)

    def ours() -> None:
        dpp.sample(kernel, k, draws=draws, seed=0)

    def peer() -> None:
        sampler = FiniteDPP("likelihood", L=kernel)
        generator = np.random.RandomState(0)
        for _ in range(draws):
            sampler.sample_exact_k_dpp(k, random_state=generator)

    with threadpool_limits(1):
        times = [(_seconds(ours), _seconds(peer)) for _ in range(REPEATS)]
    return min(time[0] for time in times), min(time[1] for time in times)


def _seconds(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    print("comparison | ours | peer | ratio")
    for comparison, ours, peer in rows():
        print(f"{comparison} | {1e3 * ours:.1f} ms | {1e3 * peer:.1f} ms | {peer / ours:.1f}x")
