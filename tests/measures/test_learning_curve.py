"""Learning curves beside their differential equations."""

import numpy as np
import pytest

from prunescope.measures import MEASURES, Populations
from prunescope.measures.learning_curve import recorded
from prunescope.theory import generalization_error, order_parameters
from tests.measures import students as made

MEASURE = MEASURES.build("learning_curve")


def shown(*seeds):
    subjects = tuple(made.subject(*made.trained(seed)) for seed in seeds)
    return Populations(dense=subjects, pruned=subjects)


def test_students_stay_near_the_equations():
    found = MEASURE(shown(0, 1))
    errors, theory = found.arrays["errors"], found.arrays["theory"]
    assert errors.shape == theory.shape == (2, len(found.arrays["time"]))
    np.testing.assert_allclose(errors[:, 0], theory[:, 0], rtol=1e-6)
    assert found["deviation"].value < 2 * found["deviation"].floor == pytest.approx(0.2)
    assert errors[:, -1].max() < 0.05 * errors[:, 0].min()
    assert found["error"].n == 2 and found["theory"].value < 0.05 * errors[:, 0].min()


def test_the_curve_ends_at_the_student():
    state, history = made.trained(0)
    path = recorded(history, made.N, made.K, made.M)
    q, r, t = order_parameters(state.weights["hidden.weight"].numpy(), made.SOURCE.network().w)
    np.testing.assert_allclose(path.q[-1], q, atol=1e-12)
    np.testing.assert_allclose(path.r[-1], r, atol=1e-12)
    assert path.time[-1] == 300
    v = state.weights["output.weight"][0].numpy()
    expected = generalization_error(q, r, t, v, made.SOURCE.network().v)
    assert MEASURE(shown(0)).arrays["errors"][0, -1] == pytest.approx(expected)


def test_it_is_of_networks_that_just_learned_online(synthetic):
    assert "just learned online" in MEASURE(synthetic.populations()).reason
    state, history = made.trained(0)
    later = made.subject(state, (*history, {"stage": 2, "kind": "normalize_rows"}))
    assert "just learned online" in MEASURE(Populations(dense=(later,), pruned=(later,))).reason
