import pytest
import torch
from torch import nn

from prunescope.data import Dataset, Normalization
from prunescope.pruning import State
from prunescope.training import Context


def small_net():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(16, 3)
        )


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (50,), generator=generator)
    images = torch.randint(0, 60, (50, 1, 4, 4), generator=generator, dtype=torch.uint8)
    images[torch.arange(50), 0, labels, labels] = 250
    return Dataset(images=images, labels=labels, classes=("a", "b", "c"))


@pytest.fixture
def context(data):
    return Context(build=small_net, split=lambda name: data, normalization=Normalization.of(data.images))


@pytest.fixture
def state():
    return State.of(small_net(), seed=1)
