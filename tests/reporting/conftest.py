"""A seeded study that never ran: 2 recipes, 6 sparsities, 10 classes, images; one class name attacks the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prunescope.measures.promise import parse_budget
from prunescope.measures.table import COLUMNS
from prunescope.measures.verdict import judge
from prunescope.reporting import Failure, Gallery, Material, render
from prunescope.reporting.page import tell_sections
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Told

HOSTILE = "<script>alert(1)</script>"
CLASSES = ("zero", "one", "two", "three", "four", "five", HOSTILE, "seven", "eight & half", "nine")
LEVELS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
N, SEEDS = 540, 8
UNITS = {
    ("accuracy", "accuracy"): ("share", "higher"),
    ("accuracy", "drop"): ("points", "lower"),
    ("accuracy", "worst_class_drop"): ("points", "lower"),
    ("agreement", "agreement"): ("share", "higher"),
    ("agreement", "flips"): ("count", "lower"),
    ("agreement", "lost"): ("count", "lower"),
    ("agreement", "won"): ("count", "higher"),
    ("calibration", "expected_calibration_error"): ("share", "lower"),
    ("calibration", "rise"): ("share", "lower"),
    ("calibration", "negative_log_likelihood"): ("nats", "lower"),
    ("pie", "rate"): ("share", "lower"),
    ("pie", "count"): ("count", "lower"),
    ("pie", "excess"): ("share", "lower"),
    ("pie", "ties"): ("count", "neither"),
    ("pie", "dense_accuracy"): ("share", "neither"),
    ("pie", "pruned_accuracy"): ("share", "neither"),
    ("compression", "sparsity"): ("share", "neither"),
    ("compression", "parameter_sparsity"): ("share", "neither"),
    ("compression", "multiply_add_sparsity"): ("share", "neither"),
    ("compression", "parameters"): ("count", "lower"),
    ("compression", "multiply_adds"): ("count", "lower"),
    ("compression", "speedup"): ("ratio", "higher"),
    ("compression", "collapsed"): ("count", "lower"),
    ("shrinking", "parameters"): ("count", "lower"),
    ("shrinking", "multiply_adds"): ("count", "lower"),
    ("shrinking", "file_size"): ("kB", "lower"),
    ("shrinking", "latency"): ("ms", "lower"),
    ("shrinking", "measured_speedup"): ("ratio", "higher"),
}
"""Every quantity the sections read, with its unit and direction; a test compares it with the measures' cards."""
LAYERS = {"conv1.weight": 144, "conv2.weight": 4608, "conv3.weight": 18432, "head.weight": 640}


class Study:
    """Collects tidy rows of one recipe and level at a time."""

    def __init__(self, recipe: str, sparsity: float, level: str) -> None:
        self.place = {"study": "synthetic", "recipe": recipe, "level": level, "sparsity": sparsity}
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        measure: str,
        quantity: str,
        value: float,
        half: float | None = None,
        *,
        floor: tuple[float, float, float] | None = None,
        item: str = "",
        seed: int | None = None,
        p: float | None = None,
        n: int = N,
    ) -> None:
        unit, better = UNITS[measure, quantity]
        top = 1.0 if unit == "share" else np.inf
        interval = (None, None) if half is None else (value - half, min(value + half, top))
        null = floor or (None, None, None)
        numbers = dict(zip(("low", "high", "floor", "floor_low", "floor_high"), (*interval, *null), strict=True))
        names = {"view": "test", "measure": measure, "quantity": quantity, "item": item, "seed": seed}
        counts = {"p": p, "n": n, "seeds": SEEDS, "unit": unit, "better": better, "status": "measured", "reason": ""}
        self.rows.append({**self.place, **names, "value": value, **numbers, **counts})


def damage(recipe: str, s: float) -> float:
    """Return the drop of accuracy in points."""
    return 0.0 if recipe == "dense" else -0.12 + (0.3 if recipe == "magnitude" else 11.0) * (s / (1.02 - s)) ** 1.1 / 5


def measure(recipe: str, s: float, level: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    study, drop = Study(recipe, s, level), damage(recipe, s)
    accuracy, exact = 0.972 - drop / 100, recipe == "dense"
    study.add("accuracy", "accuracy", max(accuracy, 0.1), 0.006, floor=(0.972, 0.966, 0.978))
    study.add("accuracy", "drop", drop, 0 if exact else 0.25 + drop / 20, floor=(0, -0.3, 0.3), p=0.02)
    study.add("accuracy", "worst_class_drop", min(2.4 * max(drop, 0.1), 97), 0.9, floor=(1.1, 0.4, 2.0))
    for seed in range(SEEDS):
        study.add("accuracy", "accuracy", max(accuracy, 0.1) + rng.normal(0, 0.003), 0.012, seed=seed)
    hurt = np.minimum(rng.dirichlet(np.full(10, 0.6)) * drop * 10, 97) if not exact else np.zeros(10)
    for name, lost in zip(CLASSES, hurt, strict=True):
        p = 1.0 if exact else float(np.exp(-abs(lost) * 1.5))
        study.add("accuracy", "accuracy", max(0.975 - lost / 100, 0), 0.01, floor=(0.975, 0.96, 0.99), item=name, n=54)
        study.add("accuracy", "drop", lost, 0.9 + lost / 12, floor=(0, -0.8, 0.8), item=name, p=p, n=54)
    changed = 0.0 if exact else 0.008 + max(drop, 0) / 85
    study.add("agreement", "agreement", 1 - changed, 0 if exact else 0.004, floor=(0.962, 0.956, 0.968))
    study.add("agreement", "flips", changed * N, 2 * (not exact), floor=(20, 17, 23), p=0.01)
    study.add("agreement", "lost", changed * N * 0.7, 1.5 * (not exact), floor=(9, 7, 11))
    study.add("agreement", "won", changed * N * 0.2, 0.8 * (not exact), floor=(9, 7, 11))
    rise = 0.002 + max(drop, 0) / 260 if not exact else 0.0
    study.add("calibration", "expected_calibration_error", 0.012 + rise, 0.003, floor=(0.012, 0.009, 0.015))
    study.add("calibration", "rise", rise, 0.004 * (not exact), floor=(0, -0.002, 0.002))
    study.add("calibration", "negative_log_likelihood", 0.09 + rise * 6, 0.01, floor=(0.09, 0.08, 0.1))
    _pies(study, drop, exact)
    _sizes(study, s)
    return study.rows


def _pies(study: Study, drop: float, exact: bool) -> None:
    rate = 0.0 if exact else 0.006 + max(drop, 0) / 110
    study.add("pie", "rate", rate, 0.005 * (not exact), floor=(0.0115, 0.004, 0.019))
    study.add("pie", "count", rate * N, 3, floor=(6.2, 2.2, 10.3))
    study.add("pie", "excess", rate - 0.0115, 0.006)
    study.add("pie", "ties", 3.0)
    for i, name in enumerate(CLASSES):
        study.add("pie", "rate", rate * (2.4 if i == 8 else 0.8), 0.01, item=name, p=0.01 if i == 8 else 0.6, n=54)
    for item, dense, pruned in (("PIE", 0.66, 0.41), ("not PIE", 0.99, 0.982), ("random", 0.97, 0.95)):
        if not exact:
            study.add("pie", "dense_accuracy", dense, 0.03, item=item)
            study.add("pie", "pruned_accuracy", pruned - drop / 300, 0.04, item=item)


def _sizes(study: Study, s: float) -> None:
    adds, parameters = 361_472, 23_962
    gone = s**1.3
    study.add("compression", "sparsity", s, 0.0)
    study.add("compression", "parameter_sparsity", s * 0.985, 0.0)
    study.add("compression", "multiply_add_sparsity", gone, 0.004 if s else 0.0)
    study.add("compression", "parameters", round(parameters * (1 - s * 0.985)), floor=(parameters,) * 3)
    study.add("compression", "multiply_adds", round(adds * (1 - gone)), floor=(adds,) * 3)
    study.add("compression", "speedup", 1 / (1 - gone), 0.02 if s else 0.0)
    study.add("compression", "collapsed", 0.0)
    for i, (name, size) in enumerate(LAYERS.items()):
        study.add("compression", "sparsity", s ** (2.2 - 1.6 * i / len(LAYERS)), 0.0, item=name, n=size)


def refused() -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS)
    reason = "CCA needs more examples than units: n = 540, p = 640"
    place = {"study": "synthetic", "recipe": "magnitude", "level": "0.5", "sparsity": 0.5, "view": "test"}
    return {**row, **place, "measure": "cca", "status": "not applicable", "reason": reason}


def votes(rng: np.random.Generator, labels: np.ndarray, rate: float) -> dict[str, np.ndarray]:
    flags = rng.random(len(labels)) < rate
    dense = np.where(rng.random(len(labels)) < 0.9, labels, rng.integers(0, 10, len(labels)))
    pruned = np.where(flags, (dense + rng.integers(1, 10, len(labels))) % 10, dense)
    shares = rng.uniform(0.5, 1, (2, len(labels)))
    return {
        "pie": flags, "dense_vote": dense, "pruned_vote": pruned, "dense_share": shares[0], "pruned_share": shares[1]
    }  # fmt: skip


def table(rng: np.random.Generator) -> pd.DataFrame:
    rows = measure("dense", 0.0, "", rng)
    for recipe in ("magnitude", "random"):
        for s in LEVELS:
            rows += measure(recipe, s, str(s), rng)
    return pd.DataFrame([*rows, refused()], columns=list(COLUMNS))


def synthetic(seed: int = 0) -> Material:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, N)
    pixels = rng.integers(0, 60, (N, 1, 8, 8)).astype(np.uint8)
    for i, label in enumerate(labels):
        pixels[i, 0, 1 + label // 2 : 4 + label // 2, 2:6] = 230
    rows = table(rng)
    arrays = {
        (recipe, str(s), "test", "pie"): votes(rng, labels, 0.01 + max(damage(recipe, s), 0) / 110)
        for recipe in ("magnitude", "random")
        for s in LEVELS
    }
    records = [{k: None if v != v else v for k, v in row.items()} for row in rows.to_dict("records")]
    limits = {"accuracy": {"drop": 0.5, "worst_class_drop": 3.0}, "agreement": {"agreement": 0.97}}
    budget = parse_budget({**limits, "pie": {"excess": 0.01}, "calibration": {"rise": 0.02}})
    return Material(
        title="digits: what pruning forgets",
        question="What does a small network that reads handwritten digits lose when its weights are pruned?",
        recipes={
            "dense": "trained, not pruned",
            "magnitude": "the smallest weights removed at once, then fine-tuned",
            "random": "random weights removed at once, then fine-tuned (control)",
        },
        controls=frozenset({"random"}),
        table=rows,
        verdict=judge(records, budget),
        arrays=arrays,
        gallery=Gallery(view="test", images=pixels, labels=labels, classes=CLASSES),
        network="convnet (23,962 parameters)",
        data="digits, 540 test images",
        device="cpu",
        size="tiny",
        seeds=tuple(range(SEEDS)),
        wall_seconds=61.4,
        study_file=f"name: synthetic\nquestion: '{HOSTILE}'\n<!-- </script> -->\n",
        keys={"dense dense, seed 0": "9f" * 32, "magnitude 0.9, seed 0": "3c" * 32},
        versions={"python": "3.11", "torch": "2.13.0", "prunescope": "0.1.0"},
        failures=(Failure(key="ab" * 32, node=f"random 0.98, seed 7 {HOSTILE}", traceback=f"Traceback\n{HOSTILE}"),),
        blocked=("pie of random 0.98",),
    )


@pytest.fixture(scope="session")
def material() -> Material:
    return synthetic()


@pytest.fixture(scope="session")
def page(material: Material) -> str:
    return render(material)


@pytest.fixture(scope="session")
def reading(material: Material) -> Reading:
    return Reading(material)


@pytest.fixture(scope="session")
def told(reading: Reading) -> dict[str, Told]:
    return {section.key: content for section, content in tell_sections(reading) if content is not None}


@pytest.fixture
def change(material: Material) -> Callable[..., Reading]:
    """Read the study again with other parts, or with rows changed or dropped by a function."""

    def changed(rows: Callable[[pd.DataFrame], pd.DataFrame] | None = None, **parts: Any) -> Reading:
        table = material.table if rows is None else rows(material.table.copy())
        return Reading(replace(material, table=table, **parts))

    return changed


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def quantities() -> dict[tuple[str, str], tuple[str, str]]:
    return UNITS
