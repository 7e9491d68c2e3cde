import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, prune
from prunescope.pruning.layer_inputs import columns
from prunescope.pruning.sensitivity import sensitivities, sensitivity

EPSILON = torch.finfo(torch.float32).eps


def by_definition(weight, inputs, over):
    """g of one image, sign and filter at a time."""
    found = torch.zeros_like(weight)
    for a in [part for image in inputs for part in (image.clamp(min=0), (-image).clamp(min=0))]:
        for f, row in enumerate(weight):
            g = torch.zeros_like(a)
            for half in (row.clamp(min=0), row.clamp(max=0)):
                z = half @ a
                z[z.abs() <= EPSILON] = torch.inf
                g = torch.maximum(g, half[:, None] * a / z)
            found[f] = torch.maximum(found[f], g.mean(1) if over == "mean" else g.amax(1))
    return found


def some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("over", ["mean", "max"])
@pytest.mark.parametrize("patches", [1, 4])
def test_equals_the_definition(over, patches):
    weight, inputs = some(3, 5), some(4, 5, patches, seed=1)
    torch.testing.assert_close(sensitivity(weight, inputs, over), by_definition(weight, inputs, over))
    relu = inputs.clamp(min=0)
    torch.testing.assert_close(sensitivity(weight, relu, over), by_definition(weight, relu, over))


@given(st.integers(0, 1000), st.integers(1, 4), st.sampled_from(["mean", "max"]))
def test_shares_of_one_image_and_of_many(seed, patches, over):
    weight, inputs = some(3, 6, seed=seed), some(5, 6, patches, seed=seed + 1).abs()
    one, many = sensitivity(weight, inputs[:1], over), sensitivity(weight, inputs, over)
    assert float(many.min()) >= 0
    assert float(many.max()) <= 1
    for half in (weight > 0, weight < 0):
        there = half.any(1)
        sums = [(s * half).sum(1)[there] for s in (one, many)]
        if over == "mean":
            torch.testing.assert_close(sums[0], torch.ones_like(sums[0]))
        assert bool((sums[0] >= 1 - 1e-9).all())
        assert bool((sums[1] >= sums[0] - 1e-9).all())


def test_scale_and_order_do_not_matter():
    weight, inputs = some(3, 5), some(4, 5, 3, seed=1)
    told, order = sensitivity(weight, inputs), torch.tensor([3, 0, 2, 1])
    torch.testing.assert_close(sensitivity(1e3 * weight, 1e-2 * inputs), told)
    torch.testing.assert_close(sensitivity(-weight, inputs), told)
    torch.testing.assert_close(sensitivity(weight, -inputs), told)
    torch.testing.assert_close(sensitivity(weight, inputs[order]), told)
    torch.testing.assert_close(sensitivity(weight, inputs[:, :, [2, 0, 1]]), told)
    torch.testing.assert_close(
        sensitivity(weight[:, [4, 2, 0, 1, 3]], inputs[:, [4, 2, 0, 1, 3]]), told[:, [4, 2, 0, 1, 3]]
    )


def test_a_half_without_response_gives_zero():
    weight = torch.tensor([[1.0, 2.0, -1.0, -3.0, 0.0]])
    inputs = torch.tensor([[[1.0], [1.0], [0.0], [0.0], [1.0]]])
    torch.testing.assert_close(sensitivity(weight, inputs), torch.tensor([[1 / 3, 2 / 3, 0.0, 0.0, 0.0]]))
    assert sensitivity(weight, torch.zeros(2, 5, 3)).count_nonzero() == 0
    patches = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]])  # half of them empty
    torch.testing.assert_close(sensitivity(weight, patches).sum(), torch.tensor(0.5))


def test_nan_is_handed_on():
    inputs = some(2, 5, 3)
    inputs[1, 2, 1] = torch.nan
    for over in ("mean", "max"):
        assert bool(sensitivity(some(3, 5), inputs, over).isnan().any())


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2, bias=False)], ids=str
)
@pytest.mark.parametrize("over", ["mean", "max"])
def test_a_convolution_equals_the_linear_layer_on_its_patches(layer, over):
    images = torch.randn(3, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    told = sensitivities(layer, Mask.full(layer), images, over)["weight"]
    unfolded = columns(layer, images)
    torch.testing.assert_close(told.values.flatten(1), by_definition(layer.weight.detach().flatten(1), unfolded, over))
    assert told.positions == unfolded.shape[2]
    linear = nn.Linear(18, 4)
    linear.weight.data = layer.weight.detach().flatten(1)
    rows = unfolded.transpose(1, 2)
    again = sensitivities(linear, Mask.full(linear), rows, over)["weight"]
    torch.testing.assert_close(again.values, told.values.flatten(1))


def small_net():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, stride=2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 16, 5), nn.Tanh(), nn.Linear(5, 3))


def test_a_network_under_a_mask_equals_its_layers_one_by_one():
    net, images = small_net(), torch.randn(300, 1, 11, 11)
    generator = torch.Generator().manual_seed(1)
    mask = Mask({n: torch.rand(t.shape, generator=generator) > 0.3 for n, t in Mask.full(net).items()})
    found = sensitivities(net, mask, images)
    x = images
    net = mask.apply_(net).eval()
    for index, layer in enumerate(net):
        name = f"{index}.weight"
        if name in mask:
            with torch.no_grad():
                told = sensitivity(layer.weight.flatten(1), columns(layer, x))
            torch.testing.assert_close(found[name].values.flatten(1), told)
            assert found[name].values[~mask[name]].count_nonzero() == 0
        x = layer(x).detach()


def test_sipp_ranks_all_layers_together():
    net, images = small_net(), torch.randn(20, 1, 11, 11)
    data = (images, torch.zeros(20, dtype=torch.int64))
    mask = prune(net, "sipp", sparsity=0.7, data=data)
    found = sensitivities(net, Mask.full(net), images)
    kept = torch.cat([found[n].values[mask[n]] for n in mask])
    gone = torch.cat([found[n].values[~mask[n]] for n in mask])
    assert float(kept.min()) >= float(gone.max())
    with pytest.raises(PrunescopeError, match="a score is NaN"):
        prune(net, "sipp", sparsity=0.7, data=(images.fill_(torch.nan), data[1]))
    grouped = nn.Conv2d(2, 2, 3, groups=2)
    with pytest.raises(PrunescopeError, match="not a matrix product"):
        prune(grouped, "sipp", sparsity=0.5, data=(torch.zeros(1, 2, 5, 5), data[1][:1]))
