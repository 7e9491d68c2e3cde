"""Planning, masked training, and the local runner."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from prunescope.core.schedule import constant
from prunescope.data import Dataset, Digits, Normalization, split_validation
from prunescope.models import MODELS, build
from prunescope.pruning import State, prune
from prunescope.study.plan import plan_study
from prunescope.study.run import missing, run
from prunescope.study.store import Store
from prunescope.study.study import Study, load_study
from prunescope.training import Feed, train
from prunescope.training.objectives import CrossEntropy
from prunescope.training.optimizers import Sgd

NETWORKS = 48


def rows() -> list[tuple[str, float, float]]:
    """Return each comparison with its seconds; where the promise is a limit, the limit stands as the peer."""
    return [planning(), masked_step(), population()]


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


def population() -> tuple[str, float, float]:
    """Train and evaluate a population of digits networks with two workers, and in the loop one would write."""
    study = digits_study()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        assert run(study, store=Path(folder) / "store", workers=2).complete
        ours = time.perf_counter() - began
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    began = time.perf_counter()
    plain_loop(study)
    peer = time.perf_counter() - began
    torch.set_num_threads(threads)
    return f"population of {NETWORKS} digits networks, 2 workers (peer: plain sequential loop)", ours, peer


def digits_study() -> Study:
    """Return the demo's dense networks with their accuracy, many of them."""
    demo = load_study("demo")
    changes = {
        "seeds": tuple(range(NETWORKS)),
        "recipes": {"dense": demo.recipes["dense"]},
        "measures": tuple(measure for measure in demo.measures if measure.member_name == "accuracy"),
    }
    return demo.model_copy(update=changes)


def plain_loop(study: Study) -> float:
    """Return the mean accuracy of the same networks, trained one after another with a DataLoader and two threads."""
    splits = Digits().load()
    train_split, _ = split_validation(splits["train"], study.validation, 0)
    normalization = Normalization.of(train_split.images)
    train_set = TensorDataset(normalization(train_split.images), train_split.labels)
    images, labels = normalization(splits["test"].images), splits["test"].labels
    accuracies = []
    for seed in study.seeds:
        net = build(study.model, train_split.shape, len(train_split.classes), seed)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        loader = DataLoader(train_set, batch_size=64, shuffle=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20 * len(loader))
        for _ in range(20):
            for batch, target in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(batch), target).backward()
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            accuracies.append(float((net.eval()(images).argmax(1) == labels).float().mean()))
    return statistics.fmean(accuracies)
