"""Siblings trained together reach what each reaches alone."""

import dataclasses

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import constant
from prunescope.data import Crop, Flip, Normalization
from prunescope.pruning import State, prune
from prunescope.training import Feed, train, train_together
from prunescope.training.learning_rate import LEARNING_RATES
from prunescope.training.objectives import OBJECTIVES
from prunescope.training.optimizers import OPTIMIZERS
from prunescope.training.population import speed_up, stacked, unstacked
from tests.training.conftest import small_net

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
OPTIONS = {
    "sgd": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2, "nesterov": True},
    "adam": {"lr": 0.01, "weight_decay": 1e-2},
    "adamw": {"lr": 0.01, "weight_decay": 1e-2},
}


class Double(nn.Module):
    """Computes in float64, where rounding does not hide a mistake."""

    def __init__(self, net):
        super().__init__()
        self.net = net.double()

    def forward(self, x):
        return self.net(x.double())


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))


def convnet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)
    )


NETS = {"mlp": mlp, "convnet": convnet}


def fresh(make, count=3, sparsity=0.0):
    """Return the states of siblings, pruned at other places each."""
    states = []
    for seed in range(count):
        torch.manual_seed(seed)
        net = make()
        states.append(State.of(net, seed=seed))
        if sparsity:
            states[-1] = states[-1].with_mask(prune(net, sparsity=sparsity))
    return states


def feed(data, device="cpu", **options):
    images, labels = data.images.to(device), data.labels.to(device)
    data = dataclasses.replace(data, images=images, labels=labels)
    return Feed(data=data, batch=16, normalization=Normalization.of(images), **options)


def how(name="sgd", objective="cross_entropy", rate=None, **options):
    schedule = LEARNING_RATES.build(rate).schedule(4, 24) if rate else constant()
    optimizer = OPTIMIZERS.build({name: options or OPTIONS[name]})
    return {"objective": OBJECTIVES.build(objective), "optimizer": optimizer, "schedule": schedule}


def both(make, states, given, until, **options):
    alone = [train(make(), state, given, until=until, **options) for state in states]
    return alone, train_together(make(), states, given, until=until, **options)


def assert_close(alone, together, rtol):
    for one, other in zip(alone, together, strict=True):
        assert (one.step, one.seed, one.frozen, one.mask) == (other.step, other.seed, other.frozen, other.mask)
        for left, right in ((one.weights, other.weights), (one.optimizer, other.optimizer)):
            assert left.keys() == right.keys()
            for name, expected in left.items():
                assert right[name].is_contiguous() and right[name].dtype == expected.dtype
                torch.testing.assert_close(right[name], expected, rtol=0, atol=rtol * float(expected.abs().max()))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sparsity", [0.0, 0.6])
@pytest.mark.parametrize("name", sorted(OPTIONS))
@pytest.mark.parametrize("net", sorted(NETS))
def test_in_float64_they_are_those_of_training_alone_to_ten_digits(data, net, name, sparsity, device):
    """Six epochs with a smaller last batch and a cosine rate, statistics, masks and augmentation of their own."""
    make = lambda: Double(NETS[net]())  # noqa: E731
    augment = (Crop(padding=1), Flip()) if sparsity else ()
    given, options = feed(data, device, augment=augment), how(name, rate="cosine")
    states = fresh(make, sparsity=sparsity)
    alone, together = both(make, states, given, 24, **options)
    assert_close(alone, together, 1e-10)
    assert not torch.equal(together[0].weights["net.1.weight"], states[0].weights["net.1.weight"])
    for state in together:
        for parameter, kept in state.mask.items():
            assert not state.weights[parameter][~kept].view(torch.int64).any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("net", sorted(NETS))
def test_in_float32_an_epoch_differs_by_rounding(data, net, device):
    alone, together = both(NETS[net], fresh(NETS[net], sparsity=0.5), feed(data, device), 4, **how())
    assert_close(alone, together, 1e-5)


@pytest.mark.parametrize("objective", [{"supcon": {}}, {"softmax_cross_entropy": {}}])
def test_other_objectives(data, objective):
    alone, together = both(
        mlp, fresh(mlp), feed(data, views=OBJECTIVES.build(objective).views), 4, **how(objective=objective)
    )
    assert_close(alone, together, 1e-5)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_was_cut_off_in_an_epoch_goes_on(data, name):
    """Optimiser slots are stacked and taken apart again: in a population, alone, and in a population once more."""
    make = lambda: Double(convnet())  # noqa: E731
    whole = train_together(make(), fresh(make), feed(data), until=12, **how(name))
    part = train_together(make(), fresh(make), feed(data), until=5, **how(name))
    alone, together = both(make, part, feed(data), 12, **how(name))
    assert_close(whole, together, 1e-10)
    assert_close(whole, alone, 1e-10)


def test_the_order_of_the_data_is_kept_where_nothing_is_shuffled(data):
    alone, together = both(mlp, fresh(mlp), feed(data, shuffle=False), 6, **how())
    assert_close(alone, together, 1e-5)


def test_callbacks_see_each_network_as_alone(data):
    make = lambda: Double(mlp())  # noqa: E731
    states, seen, expected = fresh(make, sparsity=0.5), [[], [], []], []
    callbacks = [[lambda epoch, own=own: own.append((epoch, epoch.state()))] for own in seen]
    train_together(make(), states, feed(data), until=8, callbacks=callbacks, **how())
    train(make(), states[1], feed(data), until=8, callbacks=[lambda e: expected.append((e, e.state()))], **how())
    assert len(seen[1]) == len(expected) == 2
    for (told, state), (wanted, reached) in zip(seen[1], expected, strict=True):
        assert (told.number, told.step, told.lr, told.sparsity) == (
            wanted.number,
            wanted.step,
            wanted.lr,
            wanted.sparsity,
        )
        assert told.loss == pytest.approx(wanted.loss, rel=1e-5)
        assert_close([reached], [state], 1e-10)


def test_what_is_frozen_stays_bit_for_bit_statistics_included(data):
    frozen = frozenset(name for name in fresh(convnet)[0].weights if name.startswith(("0.", "1.")))
    states = [dataclasses.replace(state, frozen=frozen) for state in fresh(convnet)]
    for before, after in zip(states, train_together(convnet(), states, feed(data), until=6, **how()), strict=True):
        for name, weight in before.weights.items():
            assert torch.equal(after.weights[name], weight) == (name in frozen)


def test_stacked_and_taken_apart_they_are_what_they_were(data):
    states = [train(mlp(), state, feed(data), until=3, **how("adam")) for state in fresh(mlp, sparsity=0.5)]
    assert_close(states, unstacked(stacked(states), states), 0.0)
    assert stacked(states).weights["1.weight"].shape == (3, 16, 12)


def test_refusals(data):
    states, given = fresh(small_net), feed(data)
    with pytest.raises(PrunescopeError, match=r"cannot be trained with its siblings.*random"):
        train_together(small_net(), states, given, until=4, **how())
    with pytest.raises(PrunescopeError, match=r"not elementwise.*lars"):
        train_together(mlp(), fresh(mlp), given, until=4, **how("lars", lr=0.1))
    with pytest.raises(PrunescopeError, match="seed 1: training diverged"):
        poisoned = fresh(mlp)
        poisoned[1].weights["1.weight"].fill_(float("nan"))
        train_together(mlp(), poisoned, given, until=4, **how())
    later = [dataclasses.replace(state, step=index) for index, state in enumerate(fresh(mlp))]
    with pytest.raises(PrunescopeError, match="step: siblings differ"):
        train_together(mlp(), later, given, until=4, **how())


class Counting(nn.Module):
    """Answers by how often any of its kind was asked."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, x):
        Counting.calls += 1
        return self.net(x) * Counting.calls


def test_a_trial_changes_nothing_and_finds_who_does_not_do_the_same_together(data):
    states = fresh(mlp)
    before = [{name: weight.clone() for name, weight in state.weights.items()} for state in states]
    assert speed_up(mlp(), states, feed(data), **how()) > 0
    for state, kept in zip(states, before, strict=True):
        assert all(torch.equal(state.weights[name], weight) for name, weight in kept.items())
    with pytest.raises(PrunescopeError, match="do not do together"):
        speed_up(Counting(), fresh(Counting), feed(data), **how())
