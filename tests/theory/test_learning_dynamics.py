"""Differential equations of learning against sampled integrals, simulated online SGD and published fixed points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from prunescope.core.errors import PrunescopeError
from prunescope.theory import generalization_errors, learning_dynamics, order_parameters
from prunescope.theory.learning_dynamics import i2, i3, i4, j2, learning_flow


def g(u):
    return erf(u / np.sqrt(2))


def slope(u):
    return np.sqrt(2 / np.pi) * np.exp(-(u**2) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_gaussian_integrals_agree_with_samples(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 4)) * 0.7
    c = root @ root.T
    x = rng.normal(size=(300_000, 4)) @ root.T
    a, b, d, e = x.T
    for told, samples in (
        (i2(c[0, 1], c[0, 0], c[1, 1]), g(a) * g(b)),
        (j2(c[0, 1], c[0, 0], c[1, 1]), slope(a) * slope(b)),
        (i3(c[0, 0], c[0, 1], c[0, 2], c[1, 2], c[2, 2]), slope(a) * b * g(d)),
        (i4(tuple(np.diagonal(c)), tuple(c[np.triu_indices(4, 1)])), slope(a) * slope(b) * g(d) * g(e)),
    ):
        assert float(told) == pytest.approx(samples.mean(), abs=4.5 * samples.std() / np.sqrt(len(x)))


def test_integrals_of_one_variable_with_itself():
    x = np.random.default_rng(0).normal(size=400_000) * 1.3
    c = np.float64(1.3**2)
    assert float(i3(c, c, c, c, c)) == pytest.approx((slope(x) * x * g(x)).mean(), abs=2e-3)
    assert float(i4((c, c, c, c), (c, c, c, c, c, c))) == pytest.approx((slope(x) ** 2 * g(x) ** 2).mean(), abs=2e-3)


def simulate(w0, w_star, v0, v_star, *, learning_rate, noise, times, runs, train_second_layer, seed):
    """Online SGD, all runs from the same weights on their own samples; returns Q, R, v as [times, runs, ...]."""
    rng = np.random.default_rng(seed)
    inputs = w0.shape[1]
    w, v = np.repeat(w0[None], runs, axis=0), np.repeat(v0[None], runs, axis=0)
    seen, states = 0, []
    for time in times:
        for _ in range(round(time * inputs) - seen):
            x = rng.standard_normal((runs, inputs))
            fields = np.einsum("rkn,rn->rk", w, x) / np.sqrt(inputs)
            labels = g(x @ w_star.T / np.sqrt(inputs)) @ v_star + noise * rng.standard_normal(runs)
            gap = (v * g(fields)).sum(axis=1) - labels
            step = learning_rate / np.sqrt(inputs) * gap[:, None] * v * slope(fields)
            w -= step[:, :, None] * x[:, None]
            if train_second_layer:
                v = v - learning_rate / inputs * gap[:, None] * g(fields)
        seen = round(time * inputs)
        states.append((w @ np.swapaxes(w, 1, 2) / inputs, w @ w_star.T / inputs, v.copy()))
    return [np.stack(part) for part in zip(*states, strict=True)]


@pytest.mark.parametrize(
    ("k", "m", "learning_rate", "noise", "train_second_layer", "v_star"),
    [
        (2, 2, 0.5, 0.0, True, 1.0),
        (3, 2, 0.6, 0.3, True, 1.0),
        (2, 2, 1.2, 0.2, False, 1.0),
        (3, 1, 0.3, 0.0, True, 3.0),
    ],
)
def test_simulated_sgd_lies_on_the_equations(k, m, learning_rate, noise, train_second_layer, v_star):
    inputs, runs, times = 300, 32, [0.5, 1.0, 2.0, 4.0, 7.0]
    rng = np.random.default_rng(k + m)
    w0, w_star = 0.7 * rng.normal(size=(k, inputs)), rng.normal(size=(m, inputs))
    v0 = rng.normal(size=k) if train_second_layer else np.ones(k)
    options = {"learning_rate": learning_rate, "noise": noise, "times": times, "train_second_layer": train_second_layer}
    theirs = np.full(m, v_star)
    start = order_parameters(w0, w_star)
    path = learning_dynamics(*start, v0, theirs, **options)
    q, r, v = simulate(w0, w_star, v0, theirs, runs=runs, seed=0, **options)
    errors = generalization_errors(q, r, start.t, v, theirs)
    for simulated, told in ((q, path.q), (r, path.r), (v, path.v), (errors, path.error)):
        error = simulated.std(axis=1, ddof=1) / np.sqrt(runs)
        assert (np.abs(simulated.mean(axis=1) - told) <= 4 * error + 2 / inputs).all()
    assert path.error[-1] < 0.7 * path.error[0]  # it did learn


def test_the_first_step_is_the_mean_of_sampled_steps():
    rng = np.random.default_rng(5)
    rate, noise = 0.8, 0.5
    q, r, t = order_parameters(rng.normal(size=(2, 7)), rng.normal(size=(2, 7)))
    v, v_star = np.array([0.7, -1.2]), np.array([1.0, 0.4])
    joint, a = np.block([[q, r], [r.T, t]]), np.concatenate([v, -v_star])
    x = rng.multivariate_normal(np.zeros(4), joint, size=200_000)
    gap = g(x) @ a + noise * rng.normal(size=len(x))
    step = -rate * v * slope(x[:, :2]) * gap[:, None]
    change = step[:, :, None] * x[:, None, :2]
    change_q = change + np.swapaxes(change, 1, 2) + step[:, :, None] * step[:, None, :]
    flow = learning_flow(joint, a, 2, learning_rate=rate, noise=noise)
    for told, samples in (
        (flow.q, change_q),
        (flow.r, step[:, :, None] * x[:, None, 2:]),
        (flow.v, -rate * g(x[:, :2]) * gap[:, None]),
    ):
        error = samples.std(axis=0) / np.sqrt(len(x))
        assert (np.abs(samples.mean(axis=0) - told) < 4.5 * error).all()


@pytest.mark.parametrize("k", [2, 3, 5])
def test_small_steps_rest_on_the_symmetric_plateau_of_saad_and_solla(k):
    q, r = np.full((k, k), 1 / (2 * k - 1)), np.full((k, k), 1 / np.sqrt(k * (2 * k - 1)))
    joint = np.block([[q, r], [r.T, np.eye(k)]])
    amplitudes = np.repeat([1.0, -1.0], k)
    flow = learning_flow(joint, amplitudes, k, learning_rate=1e-9)
    assert np.abs(flow.q).max() < 1e-16
    assert np.abs(flow.r).max() < 1e-16
    elsewhere = learning_flow(np.block([[1.2 * q, r], [r.T, np.eye(k)]]), amplitudes, k, learning_rate=1e-9)
    assert np.abs(elsewhere.q).max() > 1e-11


def test_a_matched_student_escapes_the_plateau_and_learns_the_teacher():
    path = learning_dynamics(
        [[0.2, 0.0], [0.0, 0.2]],
        [[0.01, 0.0], [0.0, 0.01]],
        np.eye(2),
        [1.0, 1.0],
        [1.0, 1.0],
        learning_rate=0.5,
        times=np.linspace(0, 300, 61),
        train_second_layer=False,
    )
    plateau = 2 / np.pi * (np.pi / 6 - 2 * np.arcsin(1 / 4))
    assert (np.abs(path.error - plateau) < 0.01).sum() > 3
    assert path.error[-1] < 1e-4
    np.testing.assert_allclose(path.r[-1], np.eye(2), atol=3e-2)
    np.testing.assert_array_equal(path.v, np.ones((61, 2)))


def test_label_noise_leaves_an_error_that_falls_with_the_learning_rate():
    floors = []
    for rate in (0.4, 0.2, 0.1):
        path = learning_dynamics(
            [[0.5]], [[0.3]], [[1.0]], [0.5], [1.0], learning_rate=rate, noise=0.5, times=[200 / rate]
        )
        floors.append(path.error[-1])
    assert floors[0] > 1.5 * floors[1] > 2.25 * floors[2] > 0
    assert floors[1] / floors[2] == pytest.approx(2, rel=0.2)


def test_the_start_is_told_as_given():
    q, r, t = order_parameters(*np.random.default_rng(0).normal(size=(2, 2, 9)))
    for times in ([0.0], [0.0, 1.0]):
        path = learning_dynamics(q, r, t, [0.1, 0.2], [1.0, 1.0], learning_rate=0.1, times=times)
        np.testing.assert_allclose(path.q[0], q)
        np.testing.assert_allclose(path.r[0], r)
        np.testing.assert_allclose(path.v[0], [0.1, 0.2])
        assert path.error[0] == pytest.approx(float(generalization_errors(q, r, t, [0.1, 0.2], [1.0, 1.0])))
        assert len(path.error) == len(times)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning rate"),
        ({"learning_rate": np.nan}, "learning rate"),
        ({"noise": -1.0}, "noise"),
        ({"times": [1.0, 1.0]}, "times"),
        ({"times": [-1.0, 1.0]}, "times"),
        ({"times": [[1.0]]}, "times"),
        ({"times": []}, "times"),
        ({"q": [[[0.2]], [[0.2]]]}, "more than one network"),
        ({"r": [[0.9]]}, "semi-definite"),
        ({"v": [1.0, 1.0]}, "second-layer"),
        ({"v": [1e200]}, "cannot be integrated"),
        ({"learning_rate": 1e200}, "cannot be integrated"),
        ({"v": [1e5], "learning_rate": 1.0}, "cannot be integrated"),
    ],
)
def test_refusals(change, message):
    good = {"q": [[0.2]], "r": [[0.1]], "t": [[1.0]], "v": [1.0], "v_star": [1.0], "learning_rate": 0.5, "times": [1.0]}
    assert learning_dynamics(**good).error[0] > 0
    with pytest.raises(PrunescopeError, match=message):
        learning_dynamics(**(good | change))
