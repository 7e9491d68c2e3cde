"""Probes and latents of small networks against what scikit-learn and the layers themselves say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Normalization
from prunescope.measures.inference import Latents, Probes, Seen
from prunescope.measures.inference import probes as module
from prunescope.measures.neighbours import knn_predictions
from prunescope.models import MODELS, build

NORMALIZATION = Normalization(mean=(0.5,), std=(0.25,))


def dataset(n, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = torch.randint(256, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    images[:, :, :3] = (60 * labels).to(torch.uint8).view(-1, 1, 1, 1)
    return Dataset(images=images, labels=labels, classes=("a", "b", "c"))


TRAIN, TEST = dataset(90, 0), dataset(20, 1)


def seen(net, data=TEST, origin="test", batch=500):
    return Seen(
        net=net.eval(), images=data.images, labels=data.labels, normalization=NORMALIZATION, batch=batch,
        device=torch.device("cpu"), split=lambda name: {"train": TRAIN}[name],
        origin=(origin, torch.arange(len(data))),
    )  # fmt: skip


def made(spec="convnet"):
    return build(MODELS.build(spec), (1, 8, 8), 3, seed=0).eval()


def test_each_probe_is_a_plain_neighbour_vote_in_the_space_of_its_layer():
    net = made()
    votes = Probes(k=5)(seen(net))
    assert list(votes) == ["input", "conv1", "conv2", "conv3", "logits"]
    with torch.no_grad():
        spaces = {
            "input": lambda x: x.flatten(1),
            "conv2": lambda x: net[:4](x).mean(dim=(2, 3)),
            "logits": net,
        }
        for name, space in spaces.items():
            references, queries = (space(NORMALIZATION(data.images)).numpy() for data in (TRAIN, TEST))
            expected = knn_predictions(queries, references, TRAIN.labels.numpy(), 5)
            assert np.array_equal(votes[name].numpy(), expected)
            peer = KNeighborsClassifier(5).fit(references, TRAIN.labels.numpy()).predict(queries)
            assert np.mean(peer == expected) > 0.7  # they differ where votes are tied


def test_blocks_are_modules_of_several_layers():
    names = list(Probes(k=3)(seen(made("wrn16_2"))))
    assert names == ["input", *(f"block{g}.layer.{b}" for g in (1, 2, 3) for b in (0, 1)), "logits"]


def test_layers_can_be_named_and_unknown_ones_are_refused():
    assert list(Probes(k=3, layers=("relu*", "flatten"))(seen(made()))) == [
        "input", "relu1", "relu2", "relu3", "flatten", "logits"
    ]  # fmt: skip
    with pytest.raises(PrunescopeError, match="unknown layer 'rely"):
        Probes(k=3, layers=("rely*",))(seen(made()))


def test_batches_and_portions_change_nothing(monkeypatch):
    net = made()
    whole = Probes(k=5)(seen(net))
    monkeypatch.setattr(module, "MOST_BYTES", 4 * 90 * 40)
    parts = Probes(k=5)(seen(net, batch=7))
    assert list(parts) == list(whole)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_training_images_are_left_out_of_their_own_neighbours():
    net = made()
    own = Probes(k=1)(seen(net, TRAIN, "train"))
    copies = Probes(k=1)(seen(net, TRAIN, "test"))
    assert torch.equal(copies["input"].long(), TRAIN.labels)
    pixels = NORMALIZATION(TRAIN.images).flatten(1).numpy()
    expected = knn_predictions(pixels, pixels, TRAIN.labels.numpy(), 1, own=np.arange(90))
    assert np.array_equal(own["input"].numpy(), expected)


def test_more_neighbours_than_training_images_are_refused():
    with pytest.raises(PrunescopeError, match="k does not fit the reference set"):
        Probes(k=91)(seen(made()))
    with pytest.raises(PrunescopeError, match="k does not fit"):
        Probes(k=90)(seen(made(), TRAIN, "train"))


@pytest.mark.parametrize("spec", ["convnet", {"convnet": {"projection": "mlp"}}])
def test_latents_are_what_the_classifier_is_given(spec):
    net = made(spec)
    latents = Latents()(seen(net, batch=7))["latents"]
    assert latents.shape == (20, 64)
    with torch.no_grad():
        torch.testing.assert_close(net.linear(latents), net(NORMALIZATION(TEST.images)))
    assert not any(layer._forward_pre_hooks for layer in net.modules())


def test_a_network_without_a_linear_layer_has_no_latents():
    with pytest.raises(PrunescopeError, match="no latent"):
        Latents()(seen(nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten())))


def test_a_population_searches_the_input_once_and_other_images_anew(monkeypatch):
    searches = []
    search = module.knn_predictions
    monkeypatch.setattr(module, "knn_predictions", lambda *a, **o: searches.append(a[0].shape) or search(*a, **o))
    module._pixel_votes.cache_clear()
    shown = seen(made())
    one, two = (
        Probes(k=5)(shown),
        Probes(k=5)(replace(shown, net=build(MODELS.build("convnet"), (1, 8, 8), 3, 1).eval())),
    )
    assert torch.equal(one["input"], two["input"])
    assert len(searches) == 1 + 2 * 4
    other = replace(shown, images=255 - shown.images)
    assert not torch.equal(Probes(k=5)(other)["input"], one["input"])


def test_the_shift_of_a_view_reaches_the_queries_and_not_the_references():
    net = made()
    black = replace(seen(net), change=lambda images, first, draw: torch.zeros_like(images))
    votes = Probes(k=5)(black)["input"]
    assert len(set(votes.tolist())) == 1
