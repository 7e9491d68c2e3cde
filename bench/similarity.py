"""Similarity against what a user would otherwise write: seconds of the least disturbed run, both sides interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prunescope.similarity import cka, layer_grid, mean_cca, nbs

THREADS = 1
REPEATS = 5


def rows() -> list[tuple[str, float, float]]:
    """Return ``(comparison, seconds ours, seconds peer)``, minima of interleaved repeats."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return [_grid_row(), _cka_row(), _nbs_row(), _cca_row()]
    finally:
        torch.set_num_threads(before)


def _grid_row() -> tuple[str, float, float]:
    xs, ys = _layers(20, 10_000, 64, seed=0), _layers(20, 10_000, 64, seed=1)
    stacked_x, stacked_y = torch.cat(xs, dim=1), torch.cat(ys, dim=1)
    ours, peer = _minima(lambda: layer_grid(xs, ys), lambda: stacked_x.T @ stacked_y, repeats=9)
    return "debiased CKA grid 20 x 20, n 10000, p 64 / the stacked product alone", ours, peer


def _cka_row() -> tuple[str, float, float]:
    x, y = _layers(2, 5000, 64, seed=2)
    ours, peer = _minima(lambda: cka(x, y, debiased=False), lambda: gram_cka(x, y))
    return "linear CKA, n 5000, p 64 / through n x n kernels", ours, peer


def _nbs_row() -> tuple[str, float, float]:
    x, y = _layers(2, 2000, 512, seed=3)
    ours, peer = _minima(lambda: nbs(x, y), lambda: eigenvalue_nbs(x, y), repeats=3)
    return "NBS, n 2000, p 512 / eigenvalues of n x n kernels", ours, peer


def _cca_row() -> tuple[str, float, float]:
    xs = _layers(8, 4000, 64, seed=4)
    ours, peer = _minima(
        lambda: layer_grid(xs, xs, metric="mean_cca"), lambda: [mean_cca(x, y) for x in xs for y in xs], repeats=3
    )
    return "mean CCA grid 8 x 8, n 4000, p 64 / pair by pair", ours, peer


def gram_cka(x: Tensor, y: Tensor) -> float:
    """Return biased linear CKA through doubly centred kernels."""
    k, m = _centred(x @ x.T), _centred(y @ y.T)
    return float((k * m).sum() / (k.norm() * m.norm()))


def eigenvalue_nbs(x: Tensor, y: Tensor) -> float:
    """Return NBS through the root of one kernel and the eigenvalues of an n x n product."""
    k, m = _centred(x @ x.T), _centred(y @ y.T)
    values, vectors = torch.linalg.eigh(k)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return float(torch.linalg.eigvalsh(root @ m @ root).clamp(min=0).sqrt().sum() / (k.trace() * m.trace()).sqrt())


def _centred(kernel: Tensor) -> Tensor:
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def _layers(count: int, n: int, width: int, seed: int) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=(n, width))) for _ in range(count)]


def _minima(ours: Callable[[], object], peer: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, times in zip((ours, peer), seconds, strict=True):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return min(seconds[0]), min(seconds[1])


if __name__ == "__main__":
    print("comparison | ours | peer | ratio")
    for comparison, ours, peer in rows():
        print(f"{comparison} | {ours:.4f} s | {peer:.4f} s | {peer / ours:.2f}x")
