import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.training.lars import Lars, local_rate
from prunescope.training.optimizers import OPTIMIZERS


def steps(option, weights, gradients, rates):
    """Run the optimiser on given gradients; return the weights after each step."""
    tensors, slots = [torch.tensor(w, dtype=torch.float64) for w in weights], [{} for _ in weights]
    found = []
    for rate, of_step in zip(rates, gradients, strict=True):
        Lars(**option).step(tensors, [torch.tensor(g, dtype=torch.float64) for g in of_step], slots, rate)
        found.append([tensor.numpy().copy() for tensor in tensors])
    return found


def by_hand(weights, gradients, rates, *, momentum, weight_decay, trust, **_):
    """Algorithm 1 of the paper, tensor by tensor, in numpy."""
    weights, found = [np.array(w, dtype=float) for w in weights], []
    speeds = [np.zeros_like(w) for w in weights]
    for rate, of_step in zip(rates, gradients, strict=True):
        for i, gradient in enumerate(np.array(g, dtype=float) for g in of_step):
            norm = np.sqrt((weights[i] ** 2).sum())
            local = trust * norm / (np.sqrt((gradient**2).sum()) + weight_decay * norm) if weights[i].ndim > 1 else 1.0
            speeds[i] = momentum * speeds[i] + rate * local * (gradient + weight_decay * weights[i])
            weights[i] = weights[i] - speeds[i]
        found.append([w.copy() for w in weights])
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_is_the_formula_over_several_steps_and_rates(momentum, weight_decay):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 2, 2)), rng.normal(size=5)]
    gradients = [[rng.normal(size=w.shape) for w in weights] for _ in range(6)]
    option = {"momentum": momentum, "weight_decay": weight_decay, "trust": 0.02}
    rates = [0.5, 0.5, 0.4, 0.1, 0.1, 2.0]
    expected = by_hand(weights, gradients, rates, **option)
    for ours, theirs in zip(steps(option, weights, gradients, rates), expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_hand_sized_step():
    """‖w‖ = 5 and ‖g‖ = 10: λ = 0.1 · 5/10 and the step is 2 · 0.05 · g."""
    [[after]] = steps({"trust": 0.1}, [[[3.0, 4.0]]], [[[[6.0, 8.0]]]], [2.0])
    np.testing.assert_allclose(after, [[3.0 - 0.6, 4.0 - 0.8]])


def test_the_first_step_moves_a_tensor_by_trust_times_its_norm_whatever_the_gradient():
    for size in (1e-6, 1.0, 1e6):
        [[after]] = steps({"trust": 0.01}, [[[3.0, 4.0]]], [[[[size, 0.0]]]], [1.0])
        np.testing.assert_allclose(after, [[3.0 - 0.05, 4.0]], rtol=1e-12)


def test_tensors_of_zeros_are_not_held_at_zero_and_nothing_is_divided_by_zero():
    assert local_rate(torch.zeros(2, 2), torch.ones(2, 2), 0.001, 0.0) == 1
    assert local_rate(torch.ones(2, 2), torch.zeros(2, 2), 0.001, 0.1) == 1
    assert local_rate(torch.ones(3), torch.ones(3), 0.001, 0.1) == 1
    [[after]] = steps({}, [[[0.0, 0.0]]], [[[[1.0, 0.0]]]], [0.1])
    np.testing.assert_allclose(after, [[-0.1, 0.0]])


@pytest.mark.parametrize("options", [{"trust": 0}, {"momentum": 1.0}, {"weight_decay": -0.1}, {"eta": 0.1}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(PrunescopeError, match="lars"):
        OPTIMIZERS.build({"lars": options})
