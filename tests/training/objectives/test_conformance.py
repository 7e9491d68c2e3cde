"""Every objective of the registry keeps the contract of an objective."""

import pytest
import torch
from torch import nn

from prunescope.core.schedule import constant
from prunescope.training import OBJECTIVES, Feed, train
from prunescope.training.objectives import Batch
from prunescope.training.optimizers import Sgd
from tests.training.conftest import small_net

NAMES = OBJECTIVES.names()


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(n, 1, 4, 4, generator=generator), torch.randint(3, (n,), generator=generator))


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_a_finite_scalar_with_finite_gradients(name, n):
    net = small_net()
    loss = OBJECTIVES.build(name)(net, batch(n))
    loss.backward()
    assert loss.shape == () and torch.isfinite(loss)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_examples_does_not_matter(name):
    net, seen, order = small_net().eval(), batch(), torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = Batch(seen.images[order], seen.labels[order])
    torch.testing.assert_close(OBJECTIVES.build(name)(net, shuffled), OBJECTIVES.build(name)(net, seen))


@pytest.mark.parametrize("name", NAMES)
def test_a_small_step_against_the_gradient_makes_the_loss_smaller(name):
    net, seen, objective = small_net().eval().double(), batch(), OBJECTIVES.build(name)
    seen = Batch(seen.images.double(), seen.labels)
    before = objective(net, seen)
    before.backward()
    with torch.no_grad():
        squared = sum(p.grad.square().sum() for p in net.parameters())
        for parameter in net.parameters():
            parameter -= 1e-6 * parameter.grad
    torch.testing.assert_close(before - objective(net, seen), 1e-6 * squared, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_training_makes_it_smaller(name, data, context, state):
    losses = []
    objective = OBJECTIVES.build(name)
    feed = Feed(data=data, batch=25, normalization=context.normalization, views=objective.views)
    callbacks = [lambda epoch: losses.append(epoch.loss)]
    options = {"optimizer": Sgd(lr=0.05, momentum=0.9), "schedule": constant(), "until": 60}
    train(small_net(), state, feed, objective=objective, callbacks=callbacks, **options)
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_trains_float32_weights(name, precision, data, context, state):
    objective = OBJECTIVES.build(name)
    feed = Feed(data=data, batch=25, normalization=context.normalization, views=objective.views)
    options = {"optimizer": Sgd(lr=0.01), "schedule": constant(), "until": 3, "precision": precision}
    after = train(small_net(), state, feed, objective=objective, **options)
    assert all(w.dtype == state.weights[n].dtype and torch.isfinite(w).all() for n, w in after.weights.items())
    exact = train(small_net(), state, feed, objective=objective, **{**options, "precision": "float32"})
    same = all(torch.equal(after.weights[n], w) for n, w in exact.weights.items())
    assert same == (precision == "float32")


def test_the_objective_is_called_with_the_network_in_training_mode(data, context, state):
    seen = []
    objective = OBJECTIVES.build("cross_entropy")
    feed = Feed(data=data, batch=25, normalization=context.normalization)

    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_net()

        def forward(self, x):
            seen.append(self.training)
            return self.net(x)

    subject = Asking()
    weights = {f"net.{name}": w for name, w in state.weights.items()}
    from prunescope.pruning import State

    start = State.of(subject, seed=0)
    assert start.weights.keys() == weights.keys()
    train(subject, start, feed, objective=objective, optimizer=Sgd(lr=0.01), schedule=constant(), until=2)
    assert [training for training in seen if training] == [True, True]
