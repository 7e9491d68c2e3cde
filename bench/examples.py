"""Neighbour votes against scikit-learn's classifier, and the example-level measures of a population in a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from prunescope.data import Normalization
from prunescope.measures import Pie, Populations, PredictionDepth, QScore, Subject, knn_predictions
from prunescope.pruning import State

NETWORKS, EXAMPLES, CLASSES, FEATURES, PROBES = 30, 10_000, 10, 128, 8


def rows() -> list[tuple[str, float, float]]:
    """Return each comparison with its seconds; where the promise is a limit, the limit stands as the peer."""
    return [_neighbours(), *_measures()]


def _neighbours() -> tuple[str, float, float]:
    rng = np.random.default_rng(0)
    references, queries = (rng.standard_normal((n, 64), dtype=np.float32) for n in (50_000, 10_000))
    labels = rng.integers(CLASSES, size=len(references))
    classifier = KNeighborsClassifier(30, algorithm="brute")
    seconds = _interleaved(
        lambda: knn_predictions(queries, references, labels, 30),
        lambda: classifier.fit(references, labels).predict(queries),
    )
    return "30-NN votes, 10 000 queries, 50 000 references, 64 features / scikit-learn", *seconds


def _measures() -> list[tuple[str, float, float]]:
    threads, size = torch.get_num_threads(), f"{2 * NETWORKS} networks x {EXAMPLES} examples"
    torch.set_num_threads(1)
    found = []
    for measure in (Pie(), QScore(), PredictionDepth()):
        shown = _shown()
        found.append((measure.member_name, _seconds(partial(measure, shown))))
    torch.set_num_threads(threads)
    parts = " + ".join(f"{name} {seconds:.2f} s" for name, seconds in found)
    return [(f"{parts}, {size} (peer: limit of 1 s)", sum(seconds for _, seconds in found), 1.0)]


def _shown() -> Populations:
    """Return two populations whose evidence is in memory; nothing they derive from it is kept from run to run."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=EXAMPLES)
    base = rng.standard_normal((EXAMPLES, CLASSES)) + 5 * np.eye(CLASSES)[labels]
    # Noise at which single networks are right on about 97 and 93 % of the examples.
    dense, pruned = (tuple(_subject(seed, base, labels, noise) for seed in range(NETWORKS)) for noise in (0.7, 1.0))
    return Populations(dense=dense, pruned=pruned)


def _subject(seed: int, base: np.ndarray, labels: np.ndarray, noise: float) -> Subject:
    rng = np.random.default_rng((seed, int(10 * noise)))
    logits = torch.from_numpy((base + noise * rng.standard_normal(base.shape)).astype(np.float32))
    votes = torch.where(torch.rand(PROBES, EXAMPLES) < 0.8, logits.argmax(dim=1), 0).to(torch.int16)
    kept: Mapping[str, Mapping[str, Tensor]] = {
        "logits": {"logits": logits, "labels": torch.from_numpy(labels)},
        "latents": {"latents": torch.rand(EXAMPLES, FEATURES)},
        "probes": {str(i): row for i, row in enumerate(votes)},
    }
    return Subject(
        seed=seed, classes=tuple(map(str, range(CLASSES))), image_shape=(1, 1, 1),
        normalization=Normalization(mean=(0.0,), std=(1.0,)), fetch=lambda kind: kept[kind],
        fetch_state=_nothing, fetch_images=_nothing, build=_nothing,
    )  # fmt: skip


def _nothing() -> State:
    raise AssertionError("these measures look at evidence alone")


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _interleaved(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    pairs = [(_seconds(ours), _seconds(peer)) for _ in range(3)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
