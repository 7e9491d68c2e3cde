"""Online learning in blocks: against the plain loop, automatic derivatives, and itself in other company."""

import math

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.core.nonlinearity import NONLINEARITIES
from prunescope.data import Teacher
from prunescope.data.rule import BLOCK, draw_block
from prunescope.models import Committee, build
from prunescope.theory import learning_dynamics, order_parameters
from prunescope.training.online import Students, learn_block, learn_online, log_stops

N, K = 40, 4


def students(count, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return Students(rng.standard_normal((count, K, N)).astype(dtype), rng.standard_normal((count, K)).astype(dtype))


def rule(**options):
    return Teacher(inputs=N, v_star=2.0, **options).network()


def blocks(seed, count):
    return [draw_block(seed, block, N) for block in range(-(-count // BLOCK))]


def plain_loop(w, v, x, y, rate, activation, second_layer=True):
    """The published rule, one student, sample by sample."""
    g, w, v = NONLINEARITIES[activation], w.copy(), v.copy()
    gaps = []
    for row, label in zip(x, y, strict=True):
        field = w @ row / math.sqrt(N)
        value = g.value(field)
        gap = v @ value - label
        w -= rate / math.sqrt(N) * gap * (v * g.slope(field, value))[:, None] * row
        v -= rate / N * gap * value * second_layer
        gaps.append(gap)
    return w, v, gaps


@pytest.mark.parametrize("activation", NONLINEARITIES)
@pytest.mark.parametrize("second_layer", [True, False])
def test_a_block_is_the_plain_loop_in_another_order(activation, second_layer):
    rng = np.random.default_rng(1)
    start = students(3, np.float64)
    x, y = rng.standard_normal((3, 90, N)), rng.standard_normal((3, 90))
    reached, gaps = learn_block(start, x, y, learning_rate=0.3, activation=activation, second_layer=second_layer)
    for i in range(3):
        w, v, each = plain_loop(start.w[i], start.v[i], x[i], y[i], 0.3, activation, second_layer)
        np.testing.assert_allclose(reached.w[i], w, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(reached.v[i], v, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(gaps[i], each, rtol=1e-10, atol=1e-10)


def test_a_long_run_in_double_precision_stays_on_the_plain_loop():
    teacher, seeds = rule(noise=0.2), [5, 8]
    start = students(2, np.float64)
    (*_, last) = learn_online(start, seeds, teacher, learning_rate=0.5, stops=[BLOCK * 20, 1000])
    for i, seed in enumerate(seeds):
        x, noise = (np.concatenate(part)[:1000].astype(np.float64) for part in zip(*blocks(seed, 1000), strict=True))
        w, v, _ = plain_loop(start.w[i], start.v[i], x, teacher.outputs(x) + teacher.noise * noise, 0.5, "erf")
        np.testing.assert_allclose(last.students.w[i], w, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(last.students.v[i], v, rtol=1e-10, atol=1e-10)


def test_a_step_is_that_of_scaled_gradients():
    """The gradient of half the squared error: at rate η for w (its 1/√N is in the field), at rate η/N for v."""
    net = build(Committee(hidden=K), (1, 1, N), 1, seed=3).double()
    x = torch.randn(1, 1, 1, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (0.5 * (net(x) - 1.5).square().sum()).backward()
    w, v = net.hidden.weight, net.output.weight
    start = Students(w.detach().numpy()[None].copy(), v.detach().numpy().copy())
    reached, _ = learn_block(start, x.view(1, 1, N).numpy(), np.array([[1.5]]), learning_rate=0.7)
    np.testing.assert_allclose(reached.w[0], (w - 0.7 * w.grad).detach(), rtol=1e-12)
    np.testing.assert_allclose(reached.v[0], (v[0] - 0.7 / N * v.grad[0]).detach(), rtol=1e-12)


def test_company_and_stops_change_no_bit():
    start, seeds, teacher = students(5), [3, 1, 4, 15, 9], rule(noise=0.1)
    (*_, together) = learn_online(start, seeds, teacher, learning_rate=0.5, stops=[BLOCK * 8])
    for i, seed in enumerate(seeds):
        alone = Students(start.w[i : i + 1], start.v[i : i + 1])
        (half,) = learn_online(alone, [seed], teacher, learning_rate=0.5, stops=[BLOCK * 3])
        (*_, last) = learn_online(
            half.students, [seed], teacher, learning_rate=0.5, start=BLOCK * 3, stops=[BLOCK * 5, BLOCK * 8]
        )
        np.testing.assert_array_equal(last.students.w[0], together.students.w[i])
        np.testing.assert_array_equal(last.students.v[0], together.students.v[i])


def test_the_loss_is_the_mean_half_square_since_the_stop_before():
    teacher, start = rule(), students(1)
    reached = list(learn_online(start, [0], teacher, learning_rate=0.5, stops=[BLOCK, 3 * BLOCK]))
    whole = next(learn_online(start, [0], teacher, learning_rate=0.5, stops=[3 * BLOCK]))
    assert (reached[0].loss + 2 * reached[1].loss) / 3 == pytest.approx(whole.loss)


def test_stops():
    stops = log_stops(800_000, 30)
    assert stops[-1] == 800_000 and stops[0] == BLOCK and 20 <= len(stops) <= 30
    assert all(stop % BLOCK == 0 for stop in stops[:-1]) and list(stops) == sorted(set(stops))
    assert log_stops(10, 5) == (10,)


def test_refusals():
    with pytest.raises(PrunescopeError, match="inside a block"):
        list(learn_online(students(1), [0], rule(), learning_rate=0.5, stops=[BLOCK + 1, 100]))
    with pytest.raises(PrunescopeError, match="inside a block"):
        list(learn_online(students(1), [0], rule(), learning_rate=0.5, start=3, stops=[100]))
    huge = Students(np.full((1, K, N), np.nan, np.float32), np.ones((1, K), np.float32))
    with pytest.raises(PrunescopeError, match=r"diverged.*seeds \[7\]"):
        list(learn_online(huge, [7], rule(), learning_rate=0.5, stops=[100]))


@pytest.mark.parametrize(("noise", "second_layer"), [(0.0, True), (0.3, False)])
def test_students_scatter_around_the_differential_equations(noise, second_layer):
    """Many students from one beginning, each with its own stream: their mean order parameters solve the equations."""
    inputs, count = 400, 24
    teacher = Teacher(inputs=inputs, v_star=1.5, noise=noise).network()
    rng = np.random.default_rng(0)
    w, v = rng.standard_normal((3, inputs)) * 0.7, rng.uniform(0.5, 1.5, 3)
    start = Students(np.repeat(w[None], count, axis=0).astype(np.float32), np.repeat(v[None], count, axis=0))
    stops = [BLOCK * n for n in (12, 50, 150)]
    q, r, t = order_parameters(w, teacher.w.astype(np.float64))
    theory = learning_dynamics(
        q, r, t, v, teacher.v, learning_rate=0.5, times=[stop / inputs for stop in stops], noise=noise,
        train_second_layer=second_layer,
    )  # fmt: skip
    paths = learn_online(start, range(count), teacher, learning_rate=0.5, stops=stops, second_layer=second_layer)
    for moment, reached in enumerate(paths):
        found = order_parameters(reached.students.w.astype(np.float64), teacher.w.astype(np.float64))
        pairs = [(found.q, theory.q[moment]), (found.r, theory.r[moment]), (reached.students.v, theory.v[moment])]
        for sampled, expected in pairs:
            error = sampled.std(axis=0) / math.sqrt(count)
            assert (np.abs(sampled.mean(axis=0) - expected) < 4.5 * error + 3 / inputs).all()
