import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset
from prunescope.models import MODELS, build
from prunescope.pruning.sample import drawn, neurons, sample_size


def test_resnet20_needs_the_published_183_images():
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0)
    counts = neurons(net, torch.zeros(1, 3, 32, 32))
    assert max(counts.values()) == 16 * 32 * 32
    assert sum(counts.values()) == 7 * 16384 + 6 * 8192 + 6 * 4096 + 10
    assert sample_size(net, torch.zeros(1, 3, 32, 32)) == 183
    assert net.training


def test_a_layer_called_twice_counts_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    assert neurons(Twice(), torch.zeros(1, 3)) == {"layer.weight": 6}
    with pytest.raises(PrunescopeError, match="cannot take these images"):
        neurons(Twice(), torch.zeros(1, 4))


def test_draws_are_seeded_and_without_replacement():
    data = Dataset(
        images=torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1), labels=torch.arange(30), classes=("a",) * 30
    )
    one, same, other = (drawn(data, 12, seed) for seed in (0, 0, 1))
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.labels, other.labels)
    assert len(set(one.labels.tolist())) == 12
    assert torch.equal(one.images.flatten().long(), one.labels)
    assert sorted(drawn(data, 99, 0).labels.tolist()) == list(range(30))
