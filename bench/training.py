"""One epoch of training against the loop one would write by hand: DataLoader, transforms image by image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from prunescope.core.schedule import constant
from prunescope.data import Crop, Dataset, Digits, Flip, Normalization
from prunescope.models import ConvNet, Model, ResNet20, build
from prunescope.pruning import State
from prunescope.training import Feed, train
from prunescope.training.objectives import CrossEntropy
from prunescope.training.optimizers import Sgd

TURNS = 5


def rows() -> list[tuple[str, float, float]]:
    """Return each comparison with its seconds for an epoch.

    Both loops compute with one thread, as a study does when it trains a network on each core; the peer may load
    with two more processes and is given the better of both ways.
    """
    digits = Digits().load()["train"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            epoch(
                "epoch of ResNet-20, 512 images, batch 128 (peer: plain loop; promise 1x)", ResNet20(), images(512), 128
            ),
            epoch("epoch of the digits convnet, batch 64 (peer: plain loop; promise 1.3x)", ConvNet(), digits, 64),
        ]
    finally:
        torch.set_num_threads(threads)


def images(count: int) -> Dataset:
    """Return images of CIFAR's size."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (count,), generator=generator)
    return Dataset(images=pixels, labels=labels, classes=tuple("0123456789"))


def epoch(name: str, model: Model, data: Dataset, batch: int) -> tuple[str, float, float]:
    """Time the same epoch (crop, flip, normalise; SGD with momentum and decay) in turns."""
    normalization = Normalization.of(data.images)
    runs: dict[str, Callable[[], None]] = {
        "ours": ours(model, data, batch, normalization),
        **{f"{n} workers": plain(model, data, batch, normalization, n) for n in (0, 2)},
    }
    seconds: dict[str, list[float]] = {way: [] for way in runs}
    for turn in range(TURNS + 1):
        for way, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[way] += [time.perf_counter() - began] * (turn > 0)  # the first turn warms up
    middle = {way: statistics.median(times) for way, times in seconds.items()}
    return name, middle.pop("ours"), min(middle.values())


def ours(model: Model, data: Dataset, batch: int, normalization: Normalization) -> Callable[[], None]:
    """Return one epoch of our loop."""
    net = build(model, data.shape, 10, seed=0)
    state = State.of(net, seed=0)
    feed = Feed(data=data, batch=batch, normalization=normalization, augment=(Crop(), Flip()))
    optimizer = Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4)
    options = {"objective": CrossEntropy(), "optimizer": optimizer, "schedule": constant(), "until": feed.per_epoch}
    return lambda: _ignore(train(net, state, feed, **options))


def plain(model: Model, data: Dataset, batch: int, normalization: Normalization, workers: int) -> Callable[[], None]:
    """Return one epoch of the loop in every tutorial."""
    net = build(model, data.shape, 10, seed=0).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(
        ImageByImage(data, normalization),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def run() -> None:
        running = 0.0
        for pictures, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(pictures), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()

    return run


class ImageByImage(TorchDataset[tuple[Tensor, Tensor]]):
    """Crop, flip and normalise one image at a time."""

    def __init__(self, data: Dataset, normalization: Normalization) -> None:
        self.data = data
        self.mean = torch.tensor(normalization.mean).view(-1, 1, 1)
        self.std = torch.tensor(normalization.std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = self.data.images[index].float() / 255
        _, height, width = picture.shape
        padded = nn.functional.pad(picture, (4, 4, 4, 4))
        top, left = (int(offset) for offset in torch.randint(9, (2,)))
        picture = padded[:, top : top + height, left : left + width]
        if torch.rand(1) < 0.5:
            picture = picture.flip(-1)
        return (picture - self.mean) / self.std, self.data.labels[index]


def _ignore(_: object) -> None:
    """Return nothing."""
