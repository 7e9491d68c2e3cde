import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prunable, prune


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9, 0.987])
def test_magnitude_equals_torch_global_unstructured_on_resnet20(sparsity):
    ours = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0)
    peer = build(MODELS.build("resnet20"), (3, 32, 32), 10, seed=0)
    layers = [(m, "weight") for m in peer.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    torch_prune.global_unstructured(layers, torch_prune.L1Unstructured, amount=sparsity)
    assert prune(ours, "magnitude", sparsity=sparsity) == Mask.from_torch_prune(peer)


@pytest.mark.parametrize("criterion", ["magnitude", "random"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_removes_exactly_the_rounded_count_and_leaves_the_network_alone(criterion, scope):
    subject = net()
    before = {name: p.clone() for name, p in subject.named_parameters()}
    mask = prune(subject, criterion, sparsity=0.333, scope=scope)
    totals = [600, 300] if scope == "layer" else [900]
    kept = [k for k, _ in mask.counts().values()] if scope == "layer" else [mask.kept]
    assert kept == [n - round(0.333 * n) for n in totals]
    assert all(torch.equal(p, before[name]) for name, p in subject.named_parameters())


def test_prunes_on_from_a_mask_counting_what_is_gone():
    subject = net()
    first = prune(subject, sparsity=0.5)
    second = prune(subject, sparsity=0.8, mask=first)
    assert second.within(first)
    assert second.kept == 900 - 720


def test_the_seed_decides_a_random_mask():
    assert prune(net(), "random", sparsity=0.5, seed=3) == prune(net(), "random", sparsity=0.5, seed=3)
    assert prune(net(), "random", sparsity=0.5, seed=3) != prune(net(), "random", sparsity=0.5, seed=4)


def test_ignored_layers_are_left_whole_and_not_counted():
    mask = prune(net(), sparsity=0.5, ignore=["2"])
    assert mask.counts() == {"0.weight": (300, 600)}
    assert prune(net(), sparsity=0.5, ignore=["2*"]) == mask


def test_random_masks_are_uniform_over_weights():
    subject = nn.Linear(10, 1, bias=False)
    drawn = sum(prune(subject, "random", sparsity=0.7, seed=s)["weight"].float() for s in range(2000)) / 2000
    assert float((drawn - 0.3).abs().max()) < 4.5 * (0.3 * 0.7 / 2000) ** 0.5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"criterion": "magnitud", "sparsity": 0.5}, "did you mean 'magnitude'"),
        ({"sparsity": 1.0}, "sparsity out of range"),
        ({"sparsity": float("nan")}, "sparsity out of range"),
        ({"sparsity": 0.5, "power": 2}, "unknown field 'power'"),
        ({"sparsity": 0.5, "ignore": ["9"]}, "ignore matches no prunable layer"),
        ({"sparsity": 0.5, "ignore": ["*"]}, "nothing is left to prune"),
        ({"sparsity": 0.5, "mask": Mask({"other": torch.tensor([True])})}, "does not belong"),
        ({"sparsity": 0.5, "data": []}, "data cannot be read"),
        ({"sparsity": 0.5, "data": (torch.zeros(3, 20), torch.zeros(2))}, "differ in number"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, told):
    with pytest.raises(PrunescopeError, match=told):
        prune(net(), **arguments)


def test_a_network_that_diverged_is_refused():
    subject = net()
    subject[0].weight.data[0, 0] = float("nan")
    with pytest.raises(PrunescopeError, match="weights are not finite"):
        prune(subject, sparsity=0.5)


def test_half_precision_weights_that_repeat_are_still_counted_exactly():
    subject = net().half()
    assert prune(subject, sparsity=0.9).kept == 90
    constant = nn.Linear(10, 10)
    constant.weight.data.fill_(0.5)
    mask = prune(constant, sparsity=0.75)
    assert mask["weight"].flatten().nonzero().flatten().tolist() == list(range(25))


def test_prunable_order_is_the_networks():
    assert list(prunable(net())) == ["0.weight", "2.weight"]
