"""Networks that differ only by seed, trained in one process as ``--siblings auto`` does, against one after another."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from prunescope.data import Digits, Normalization
from prunescope.models import MLP, ConvNet, LeNet300, Model, build
from prunescope.pruning import State
from prunescope.study.nursery import SETTINGS
from prunescope.training import Context, Train
from prunescope.training.stages import Apart

TURNS = 3
POPULATIONS = {
    "16 digits MLPs of 128-128 (promise 1.3x)": (MLP(), 16, 10),
    "16 digits MLPs of 32": (MLP(hidden=(32,)), 16, 10),
    "16 LeNet-300-100 on digits": (LeNet300(), 16, 10),
    "8 digits convnets": (ConvNet(), 8, 20),
}


def rows() -> Iterator[tuple[str, float, float]]:
    """Yield processor seconds of a population both ways, in a process that is set as workers are."""
    for name in POPULATIONS:
        command = [sys.executable, "-m", "bench.siblings", name]
        told = subprocess.run(command, env=os.environ | SETTINGS, capture_output=True, text=True, check=True)
        row, ours, peer = json.loads(told.stdout)
        yield row, ours, peer


def population(name: str, model: Model, count: int, epochs: int) -> tuple[str, float, float]:
    """Train the population in turns both ways: what is tried and chosen is part of our time."""
    digits = Digits().load()["train"]
    normalization = Normalization.of(digits.images)
    context = Context(
        build=lambda seed=None: build(model, digits.shape, 10, seed=seed or 0),
        split=lambda split: digits,
        normalization=normalization,
    )
    states = [State.of(build(model, digits.shape, 10, seed=seed), seed=seed) for seed in range(count)]
    sgd = {"sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}}
    stage = Train(until=f"{epochs}ep", batch=64, optimizer=sgd)
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    chosen = ""
    for _ in range(TURNS):
        began = time.process_time()
        chosen = automatic(stage, states, context)
        between = time.process_time()
        one_after_another(stage, states, context)
        seconds["ours"].append(between - began)
        seconds["peer"].append(time.process_time() - between)
    middle = {way: statistics.median(times) for way, times in seconds.items()}
    return f"{name}: auto takes them {chosen} (peer: one by one)", middle["ours"], middle["peer"]


def automatic(stage: Train, states: list[State], context: Context) -> str:
    """Train as a worker does under ``--siblings auto`` and return what it chose."""
    try:
        stage.together(states, [context] * len(states), measured=True)
    except Apart:
        one_after_another(stage, states, context)
        return "one by one"
    return "together"


def one_after_another(stage: Train, states: list[State], context: Context) -> None:
    """Train each network by itself."""
    for state in states:
        stage(state, context)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(population(sys.argv[1], *POPULATIONS[sys.argv[1]])))
