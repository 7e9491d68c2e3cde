"""The closed form of the generalisation error against sampled networks and hand-sized cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from prunescope.core.errors import PrunescopeError
from prunescope.theory import generalization_error, generalization_errors, order_parameters

EYE = np.eye(2)


def network(k: int, m: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    q, r, t = order_parameters(rng.normal(size=(k, 9)) * rng.uniform(0.3, 2, size=(k, 1)), rng.normal(size=(m, 9)))
    return {"q": q, "r": r, "t": t, "v": rng.normal(size=k), "v_star": rng.normal(size=m)}


def sampled(net: dict[str, np.ndarray], noise: float, draws: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    joint = np.block([[net["q"], net["r"]], [net["r"].T, net["t"]]])
    values, vectors = np.linalg.eigh(joint)
    x = rng.normal(size=(draws, len(joint))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    gap = erf(x / np.sqrt(2)) @ np.concatenate([net["v"], -net["v_star"]]) + noise * rng.normal(size=draws)
    losses = 0.5 * gap**2
    return losses.mean(), losses.std() / np.sqrt(draws)


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_sampled_inputs(seed):
    k, m, noise = 1 + seed % 5, 1 + seed % 3, 0.4 * (seed % 2)
    net = network(k, m, seed)
    mean, error = sampled(net, noise, 100_000, seed)
    assert generalization_error(**net, noise=noise) == pytest.approx(mean, abs=4.5 * error)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_agrees_with_sampled_inputs_for_hundreds_of_networks(k, m, seed, noise):
    net = network(k, m, seed)
    mean, error = sampled(net, noise, 4_000, seed)
    assert generalization_error(**net, noise=noise) == pytest.approx(mean, abs=5 * error)


def test_agrees_with_a_network_run_on_inputs():
    rng = np.random.default_rng(0)
    w, w_star, v, v_star = rng.normal(size=(3, 50)), rng.normal(size=(2, 50)), rng.normal(size=3), rng.normal(size=2)
    x = rng.normal(size=(100_000, 50)) / np.sqrt(50)
    losses = 0.5 * (erf(x @ w.T / np.sqrt(2)) @ v - erf(x @ w_star.T / np.sqrt(2)) @ v_star) ** 2
    told = generalization_error(*order_parameters(w, w_star), v, v_star)
    assert told == pytest.approx(losses.mean(), abs=4.5 * losses.std() / np.sqrt(len(losses)))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10_000), st.floats(0, 3))
@settings(max_examples=50, deadline=None)
def test_never_negative_noise_adds_half_its_square_and_order_does_not_matter(k, m, seed, noise):
    net = network(k, m, seed)
    plain = generalization_error(**net)
    assert plain >= 0
    assert generalization_error(**net, noise=noise) == pytest.approx(plain + noise**2 / 2)
    rng = np.random.default_rng(seed)
    i, n = rng.permutation(k), rng.permutation(m)
    moved = {
        "q": net["q"][np.ix_(i, i)],
        "r": net["r"][np.ix_(i, n)],
        "t": net["t"][np.ix_(n, n)],
        "v": net["v"][i],
        "v_star": net["v_star"][n],
    }
    assert generalization_error(**moved) == pytest.approx(plain)
    sign = rng.choice([-1.0, 1.0], size=k)
    flipped = net | {"q": net["q"] * np.outer(sign, sign), "r": net["r"] * sign[:, None], "v": net["v"] * sign}
    assert generalization_error(**flipped) == pytest.approx(plain)


@given(st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_teacher_itself_makes_no_error(m, seed):
    net = network(1, m, seed)
    assert generalization_error(net["t"], net["t"], net["t"], net["v_star"], net["v_star"]) == pytest.approx(
        0, abs=1e-12
    )


def test_copies_that_share_the_second_layer_make_no_error():
    ones = np.kron(EYE, np.ones((3, 3)))
    assert generalization_error(ones, np.kron(EYE, np.ones((3, 1))), EYE, np.full(6, 4 / 3), [4.0, 4.0]) < 1e-12


def test_hand_sized():
    assert generalization_error([[0.0]], [[0.0]], [[1.0]], [5.0], [2.0]) == pytest.approx(4 / 6)  # asin(1/2) = π/6
    assert generalization_error(EYE, np.zeros((2, 2)), EYE, [1.0, 1.0], [1.0, 1.0]) == pytest.approx(2 / 3)
    assert isinstance(generalization_error([[0.0]], [[0.0]], [[1.0]], [5.0], [2.0]), float)


def test_the_symmetric_plateau_of_saad_and_solla():
    for k in (2, 3, 5):  # ε = (K/π)(π/6 − K asin(1/2K)) at Q = 1/(2K−1), R = 1/√(K(2K−1))
        q, r = np.full((k, k), 1 / (2 * k - 1)), np.full((k, k), 1 / np.sqrt(k * (2 * k - 1)))
        told = generalization_error(q, r, np.eye(k), np.ones(k), np.ones(k))
        assert told == pytest.approx(k / np.pi * (np.pi / 6 - k * np.arcsin(1 / (2 * k))))


def test_batches_broadcast():
    nets = [network(3, 2, seed) for seed in range(4)]
    stacked = {name: np.stack([net[name] for net in nets]) for name in nets[0]}
    each = [generalization_error(**net, noise=0.3) for net in nets]
    np.testing.assert_allclose(generalization_errors(**stacked, noise=0.3), each)
    many_v = np.linspace(0, 1, 5)[:, None]
    assert generalization_errors([[1.0]], [[1.0]], [[1.0]], many_v, [1.0]).shape == (5,)


def test_rounded_and_float32_overlaps_of_a_perfect_student_pass():
    ones = np.ones((3, 3)) + 1e-7 * np.diag([1, -1, 0])
    assert generalization_error(ones, np.ones((3, 1)), [[1.0]], np.full(3, 1 / 3), [1.0]) < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": np.eye(3)}, "do not fit together"),
        ({"t": np.eye(3)}, "do not fit together"),
        ({"r": np.zeros((2, 3))}, "do not fit together"),
        ({"q": np.ones((2, 3))}, "do not fit together"),
        ({"q": np.ones(2)}, "shape"),
        ({"q": np.stack([EYE] * 2), "r": np.zeros((3, 2, 2))}, "leading axes"),
        ({"v": np.ones((2, 2)), "v_star": np.ones((3, 2))}, "leading axes"),
        ({"v": np.ones(3)}, "second-layer"),
        ({"v_star": np.ones(1)}, "second-layer"),
        ({"v": 1.0}, "shape"),
        ({"q": np.diag([1.0, -0.1])}, "q: a squared length is negative"),
        ({"t": np.diag([1.0, -0.1])}, "t: a squared length is negative"),
        ({"q": np.array([[1.0, 0.5], [0.0, 1.0]])}, "q: overlaps are not symmetric"),
        ({"q": np.array([[1.0, 2.0], [2.0, 1.0]])}, "positive semi-definite"),
        ({"r": np.diag([1.1, 0.0])}, "positive semi-definite"),
        ({"r": np.full((2, 2), np.nan)}, "NaN"),
        ({"v": [np.inf, 0.0]}, "NaN"),
        ({"noise": -0.1}, "noise"),
        ({"noise": np.nan}, "noise"),
        ({"v": np.ones((3, 2))}, "more than one network"),
    ],
)
def test_refusals(change, message):
    good = {"q": EYE, "r": np.zeros((2, 2)), "t": EYE, "v": [1.0, 1.0], "v_star": [1.0, 1.0]}
    assert generalization_error(**good) > 0
    with pytest.raises(PrunescopeError, match=message):
        generalization_error(**(good | change))
