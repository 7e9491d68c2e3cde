"""Planning and masked training."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch

from prunescope.core.schedule import constant
from prunescope.data import Dataset, Normalization
from prunescope.models import MODELS, build
from prunescope.pruning import State, prune
from prunescope.study.plan import plan_study
from prunescope.study.run import missing
from prunescope.study.store import Store
from prunescope.study.study import load_study
from prunescope.training import Feed, train
from prunescope.training.objectives import CrossEntropy
from prunescope.training.optimizers import Sgd


def rows() -> list[tuple[str, float, float]]:
    """Return each comparison with its seconds; where the promise is a limit, the limit stands as the peer."""
    return [planning(), masked_step()]


def planning() -> tuple[str, float, float]:
    """Plan a study of over 10 000 nodes that are all in the store."""
    levels = [round(0.001 * i, 3) for i in range(1, 300)]
    recipe = {"from": "dense", "levels": levels, "stages": [{"prune": "magnitude"}, {"train": {"until": "1ep"}}]}
    raw = {
        "name": "wide", "data": "digits", "model": "mlp", "seeds": 11, "measures": ["accuracy"],
        "recipes": {"dense": [{"train": {"until": "1ep"}}], "magnitude": recipe},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        store.open()
        plan = plan_study(load_study(raw))
        for node in plan.nodes.values():
            place = store.folder(node.artefact, node.key)
            place.mkdir(parents=True)
            (place / "spec.json").write_text(node.spec)
            (place / "manifest.json").write_text('{"files":{},"seconds":1}')
        began = time.perf_counter()
        again = plan_study(load_study(raw))
        assert missing(again, store) == []
        seconds = time.perf_counter() - began
    return (
        f"plan {len(again.nodes)} cached nodes (peer: limit of 2 s at 10 000)",
        seconds,
        2.0 * len(again.nodes) / 10_000,
    )


def masked_step() -> tuple[str, float, float]:
    """Train ResNet-20 at batch 128 under a mask and without one, in turns."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (128 * 4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (128 * 4,), generator=generator)
    data = Dataset(images=images, labels=labels, classes=tuple("0123456789"))
    feed = Feed(data=data, batch=128, normalization=Normalization.of(images))
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0)
    dense = State.of(net, seed=0)
    masked = dense.with_mask(prune(net, sparsity=0.9))

    def seconds(state: State) -> float:
        began = time.perf_counter()
        optimizer = Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4)
        train(net, state, feed, objective=CrossEntropy(), optimizer=optimizer, schedule=constant(), until=4)
        return time.perf_counter() - began

    seconds(dense)
    pairs = [(seconds(masked), seconds(dense)) for _ in range(5)]
    ours, peer = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return "masked training step, ResNet-20, batch 128 (peer: dense step)", ours / 4, peer / 4
