import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask
from prunescope.pruning.layer_inputs import (
    BATCH,
    chunks,
    column_products,
    columns,
    has_columns,
    masked_weights,
    responses,
    second_moments,
    visit_inputs,
)

CONVOLUTIONS = [
    nn.Conv2d(3, 4, 3),
    nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    nn.Conv2d(3, 4, 3, padding="same", dilation=2),
    nn.Conv2d(3, 4, 5, padding=2, padding_mode="reflect"),
    nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular", stride=2),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_a_convolution_is_the_product_with_its_columns(layer):
    images = torch.randn(5, 3, 9, 8)
    told = (layer.weight.flatten(1) @ columns(layer, images)).view(5, 4, *layer(images).shape[2:])
    torch.testing.assert_close(told, layer(images) - layer.bias[:, None, None])
    torch.testing.assert_close(responses(layer, layer.weight.flatten(1), images), told.flatten(2))
    left = torch.randn(5, 7, told[0, 0].numel())
    torch.testing.assert_close(column_products(layer, left, images), left @ columns(layer, images).transpose(1, 2))
    unpadded = nn.functional.pad(images, (2, 1, 0, 3))
    if layer.padding_mode == "zeros" and layer.padding != "same":
        peer = nn.functional.unfold(unpadded, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        assert torch.equal(columns(layer, unpadded), peer)


@pytest.mark.parametrize("shape", [(5, 7), (5, 2, 3, 7)])
def test_a_linear_layer_is_the_product_with_its_columns(shape):
    layer, inputs = nn.Linear(7, 4, bias=False), torch.randn(shape)
    told = (layer.weight @ columns(layer, inputs)).transpose(1, 2).reshape(*shape[:-1], 4)
    torch.testing.assert_close(told, layer(inputs))
    flat = told.reshape(5, -1, 4).transpose(1, 2)
    torch.testing.assert_close(responses(layer, layer.weight, inputs), flat)
    torch.testing.assert_close(column_products(layer, flat, inputs), flat @ columns(layer, inputs).transpose(1, 2))


def test_chunks_are_the_whole_in_pieces():
    layer, images = nn.Conv2d(8, 4, 3, padding=1), torch.randn(50, 8, 32, 32)
    parts = chunks(layer, images)
    assert len(parts) > len(chunks(layer, images[:, :, :8, :8]))
    assert torch.equal(torch.cat([columns(layer, part) for part in parts]), columns(layer, images))


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 4, 3, groups=2), nn.Conv1d(4, 4, 3), nn.ReLU()], ids=str)
def test_other_layers_are_refused(layer):
    assert not has_columns(layer)
    with pytest.raises(PrunescopeError, match=r"not a matrix product.*ignore="):
        columns(layer, torch.zeros(1, 4, 8, 8))


class Twice(nn.Module):
    """One linear layer called twice, and one never."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(3, 3, bias=False), nn.Linear(3, 3)

    def forward(self, x):
        return self.used(self.used(x))


def test_every_call_is_visited_in_evaluation_mode_under_the_weights_given():
    net, images = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 2)), torch.randn(2 * BATCH + 1, 4)
    mask = Mask({n: torch.rand_like(t, dtype=torch.float) > 0.5 for n, t in Mask.full(net).items()})
    seen = {"0.weight": [], "2.weight": []}
    visit_inputs(net, masked_weights(net, mask), images, list(seen), lambda name, x: seen[name].append(x))
    assert [len(x) for x in seen["0.weight"]] == [BATCH, BATCH, 1]
    hidden = nn.functional.linear(images, net[0].weight * mask["0.weight"], net[0].bias)
    torch.testing.assert_close(torch.cat(seen["2.weight"]), hidden)
    assert net.training
    assert not net[0]._forward_pre_hooks
    assert not torch.cat(seen["2.weight"]).requires_grad

    calls = []
    twice = Twice()
    visit_inputs(twice, {}, images[:, :3], ["used.weight"], lambda _, x: calls.append(len(x)))
    assert sum(calls) == 2 * len(images)
    with pytest.raises(PrunescopeError, match=r"never called.*unused"):
        visit_inputs(twice, {}, images[:, :3], ["used.weight", "unused.weight"], lambda *_: None)


def test_second_moments_are_means_over_all_rows():
    net, images = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.randn(300, 4)
    told = second_moments(net, Mask.full(net), images, {"2.weight": lambda x: x})["2.weight"]
    h = net[:2](images).detach().double()
    torch.testing.assert_close(told, h.T @ h / 300)
    assert told.dtype == torch.float64
