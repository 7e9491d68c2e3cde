"""Every architecture of the registry keeps the contract of a model."""

from pathlib import Path

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, activations, build, tap_names

NAMES = MODELS.names()
REQUIRED = {"foreign": {"reference": f"{Path(__file__).with_name('foreign_networks.py')}:small"}}
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
FITTING = [(n, s) for n in NAMES for s in SHAPES if min(s[1:]) >= MODELS.get(n).smallest]


def member(name):
    return MODELS.build({name: REQUIRED.get(name, {})})


def shape_for(name):
    """Return the shape of digits, or the smallest square that the architecture takes."""
    side = max(28, MODELS.get(name).smallest)
    return 1, side, side


def images(shape, n=3):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(7))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("name", "shape"), FITTING)
def test_logits_are_finite_and_one_for_each_class(name, shape):
    net = build(member(name), shape, classes=7, seed=0)
    logits = net(images(shape))
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_decides_the_weights(name):
    model, shape = member(name), shape_for(name)
    first = build(model, shape, 10, seed=3).state_dict()
    torch.rand(5)
    again, other = build(model, shape, 10, seed=3).state_dict(), build(model, shape, 10, seed=4).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", NAMES)
def test_building_leaves_the_ambient_random_state(name):
    before = torch.get_rng_state()
    build(member(name), shape_for(name), 10, seed=3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_carries_the_network(name):
    model, shape = member(name), shape_for(name)
    net, twin = (build(model, shape, 10, seed=s).eval() for s in (0, 1))
    assert not torch.equal(net(images(shape)), twin(images(shape)))
    twin.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(net(images(shape)), twin(images(shape)))


@pytest.mark.parametrize(("name", "shape"), FITTING)
def test_examples_do_not_see_each_other_in_evaluation(name, shape):
    net = build(member(name), shape, 10, seed=0).eval()
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        torch.testing.assert_close(net(images(shape)[order]), net(images(shape))[order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_taps_are_all_leaves_in_forward_order_and_end_at_the_logits(name):
    net = build(member(name), shape_for(name), 10, seed=0)
    names = tap_names(net, images(shape_for(name)))
    seen, handles = [], []
    for tap, module in net.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(lambda *_, tap=tap: seen.append(tap)))
    net(images(shape_for(name)))
    for handle in handles:
        handle.remove()
    assert [n for n in names if n in set(seen)] == seen
    found = activations(net, images(shape_for(name)), [names[-1], "logits"])
    assert torch.equal(found[names[-1]], found["logits"])


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_layer_are_leaves_that_receive_gradients(name):
    net = build(member(name), shape_for(name), 10, seed=0)
    net(images(shape_for(name))).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_image_fits_and_a_smaller_one_is_refused(name):
    model = member(name)
    side = model.smallest
    assert build(model, (1, side, side), 10, seed=0).eval()(images((1, side, side))).shape == (3, 10)
    if side > 1:
        with pytest.raises(PrunescopeError, match=f"{name}: images too small.*at least {side} pixels.*{side - 1}×"):
            build(model, (1, side - 1, side), 10, seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_no_channel_and_no_class_are_refused(name):
    for shape, classes in (((0, 28, 28), 10), ((1, 28, 28), 0)):
        with pytest.raises(PrunescopeError, match="needs input and output"):
            build(member(name), shape, classes, seed=0)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(PrunescopeError, match="'resnet20'"):
        MODELS.build("resnet-21")
