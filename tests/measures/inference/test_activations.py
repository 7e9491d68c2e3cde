import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization
from prunescope.measures.inference import Activations, Seen

NORMALIZATION = Normalization(mean=(0.5,), std=(0.25,))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5))


@pytest.fixture
def images():
    return torch.randint(256, (30, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def kept(net, images, batch=500, **options):
    return Activations.model_validate(options)(seen(net, images, batch))


def seen(net, images, batch=500, change=None):
    return Seen(
        net=net.eval(),
        images=images,
        labels=torch.zeros(len(images), dtype=torch.int64),
        normalization=NORMALIZATION,
        device=torch.device("cpu"),
        change=change,
        split=lambda name: None,
        origin=("test", torch.arange(len(images))),
        batch=batch,
    )


def test_pooled_and_flattened_maps_are_what_the_layers_compute(net, images):
    maps = net[0](NORMALIZATION(images)).detach()
    torch.testing.assert_close(kept(net, images)["0"], maps.mean(dim=(2, 3)))
    torch.testing.assert_close(kept(net, images, space="flatten")["0"], maps.flatten(1))
    torch.testing.assert_close(kept(net, images)["3"], net(NORMALIZATION(images)).detach())


def test_positions_as_samples_are_rows_of_channels(net, images):
    maps = net[0](NORMALIZATION(images)).detach()
    torch.testing.assert_close(kept(net, images, space="samples")["0"], maps.permute(0, 2, 3, 1).reshape(-1, 3))


@pytest.mark.parametrize("space", ["pool", "samples", "flatten"])
def test_the_drawn_rows_do_not_depend_on_the_batch_size(net, images, space):
    whole, parts = (kept(net, images, batch, space=space, rows=20) for batch in (500, 7))
    assert {len(rows) for rows in whole.values()} == {20}
    for layer in whole:
        torch.testing.assert_close(parts[layer], whole[layer])


def test_the_same_rows_are_drawn_in_every_network(net, images):
    other = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5))
    other.load_state_dict({name: 2 * weight for name, weight in net.state_dict().items()})
    once, twice = (kept(n, images, space="samples", rows=50)["0"] for n in (net, other))
    torch.testing.assert_close(2 * once, twice)
    assert not torch.equal(once, kept(net, images, space="samples", rows=50, seed=1)["0"])


def test_layers_are_chosen_by_kind_or_pattern_in_forward_order(net, images):
    assert list(kept(net, images)) == ["0", "3"]
    assert list(kept(net, images, layers="all")) == ["0", "1", "2", "3"]
    assert list(kept(net, images, layers=["3", "[01]"])) == ["0", "1", "3"]
    with pytest.raises(PrunescopeError, match="unknown layer 'conv1'"):
        kept(net, images, layers=["conv1"])


def test_a_shift_is_applied_to_each_batch_with_its_first_index(net, images):
    parts = []

    def change(part, first, draw):
        parts.append((first, len(part)))
        return 255 - part

    shifted = Activations()(seen(net, images, batch=20, change=change))
    assert (0, 20) in parts
    assert (20, 10) in parts
    torch.testing.assert_close(shifted["3"], net(NORMALIZATION(255 - images)).detach())
