"""Populations of digits networks as commands: ``prunescope run`` with two workers beside the loop one would write."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

UNTOLD = {"PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
LOOP = Path(__file__).with_name("_plain_loop.py")
# Networks, model, epochs.
POPULATIONS = [(16, "convnet", 20), (48, "convnet", 20), (16, "convnet", 100), (16, "128-128", 100), (16, "32", 100)]


def rows() -> Iterator[tuple[str, float, float]]:
    """Yield seconds of both commands, from nothing to the accuracies; the promise is 3 times."""
    seconds([sys.executable, "-m", "prunescope", "list", "models"])  # bytecode is written
    for networks, model, epochs in POPULATIONS:
        peer = seconds([sys.executable, str(LOOP), model, str(networks), str(epochs)])
        for siblings in ("auto", "off"):
            with tempfile.TemporaryDirectory() as folder:
                study = Path(folder) / "study.yaml"
                study.write_text(yaml.safe_dump(population(networks, model, epochs)))
                options = ["--store", f"{folder}/store", "--workers", "2", "--siblings", siblings]
                ours = seconds([sys.executable, "-m", "prunescope", "run", str(study), *options])
            yield f"{networks} × {model}, {epochs} epochs, --siblings {siblings} (peer: plain loop)", ours, peer


def population(networks: int, model: str, epochs: int) -> dict[str, Any]:
    """Return the study of networks that are trained and evaluated as the loop does."""
    built = model if model == "convnet" else {"mlp": {"hidden": [int(width) for width in model.split("-")]}}
    sgd = {"sgd": {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}}
    train = {"until": f"{epochs}ep", "batch": 64, "optimizer": sgd, "lr": "cosine"}
    study = {"name": "population", "data": "digits", "model": built, "seeds": networks, "measures": ["accuracy"]}
    return {**study, "views": ["test"], "recipes": {"dense": [{"train": train}]}}


def seconds(command: Sequence[str]) -> float:
    """Return the wall time of a command, whose bytecode may be kept and which chooses its threads itself."""
    environment = {name: value for name, value in os.environ.items() if name not in UNTOLD}
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - began
