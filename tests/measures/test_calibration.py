import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Calibration, expected_calibration_error


def test_a_hand_sized_case():
    """Two bins of fifteen: |0.5·2 − 1.1| + |0.9·2 − 1| over four examples."""
    assert expected_calibration_error([0.5, 0.6, 0.9, 0.9], [1, 1, 1, 0], bins=2) == pytest.approx(
        (abs(1 - 0.5) + abs(2 - 2.4)) / 4
    )


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    assert expected_calibration_error([0.5, 0.75], [1, 0], bins=2) == pytest.approx((0.5 + 0.75) / 2)
    assert expected_calibration_error([0.25, 0.5], [0, 1], bins=2) == pytest.approx(0.25 / 2)
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0.0


def test_bins_are_scikit_learns():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1.0, size=3000)
    right = rng.random(3000) < confidence**2
    share, mean = calibration_curve(right, confidence, n_bins=15, strategy="uniform")
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
    expected = np.sum(np.abs(share - mean) * counts[counts > 0]) / 3000
    assert expected_calibration_error(confidence, right) == pytest.approx(expected)


def test_perfect_calibration_tends_to_zero_and_overconfidence_to_its_gap():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1.0, size=200_000)
    assert expected_calibration_error(confidence, rng.random(200_000) < confidence) < 0.01
    assert expected_calibration_error(confidence, rng.random(200_000) < confidence - 0.2) == pytest.approx(
        0.2, abs=0.01
    )


@pytest.mark.parametrize(
    ("confidence", "right", "told"),
    [([], [], "pair up"), ([0.5], [1, 0], "pair up"), ([1.2], [1], "no probability"), ([math.nan], [1], "no prob")],
)
def test_what_is_no_confidence_is_refused(confidence, right, told):
    with pytest.raises(PrunescopeError, match=told):
        expected_calibration_error(confidence, right)


def test_populations_are_the_mean_of_their_networks(synthetic):
    shown = synthetic.populations(networks=3, examples=150)
    found = Calibration()(shown)
    errors, losses = [], []
    for subject in shown.pruned:
        probabilities = torch.softmax(subject.logits.double(), dim=1).numpy()
        right = probabilities.argmax(axis=1) == shown.labels
        errors.append(expected_calibration_error(probabilities.max(axis=1), right))
        losses.append(log_loss(shown.labels, probabilities, labels=range(5)))
    assert found["expected_calibration_error"].value == pytest.approx(np.mean(errors))
    assert found["negative_log_likelihood"].value == pytest.approx(np.mean(losses))
    singles = [v.value for v in found.values if v.quantity == "expected_calibration_error" and v.seed is not None]
    assert singles == pytest.approx(errors)


def test_sharper_logits_raise_the_error_by_the_difference_and_the_interval_says_so(synthetic):
    dense, _, labels = synthetic.logits(networks=3, examples=300)
    found = Calibration()(synthetic.from_logits(dense, 4 * dense, labels))
    error = found["expected_calibration_error"]
    assert found["rise"].value == pytest.approx(error.value - error.floor)
    assert 0 < found["rise"].low < found["rise"].value < found["rise"].high
    assert found["rise"].floor == 0
    assert found["rise"].floor_low < 0 < found["rise"].floor_high


def test_the_dense_networks_do_not_rise_over_themselves(synthetic):
    found = Calibration()(synthetic.populations(same=True))
    for value in found.values:
        if value.quantity == "rise":
            assert (value.value, value.low, value.high) == (0.0, 0.0, 0.0)
    assert found["negative_log_likelihood"].value == found["negative_log_likelihood"].floor


def test_hopeless_confidence_keeps_a_finite_likelihood(synthetic):
    logits = np.array([[[2000.0, 0.0], [0.0, 2000.0]]])
    found = Calibration()(synthetic.from_logits(logits, logits, [1, 1]))
    assert found["negative_log_likelihood"].value == pytest.approx(1000.0)


def test_intervals_cover_the_error_of_the_population(synthetic):
    """Fresh examples of one network type: the centred interval holds the mean of many measurements."""
    errors, intervals = [], []
    for seed in range(40):
        value = Calibration()(synthetic.populations(networks=1, examples=200, seed=seed))["expected_calibration_error"]
        errors.append(value.value)
        intervals.append((value.low, value.high))
    mean = np.mean(errors)
    assert np.mean([low <= mean <= high for low, high in intervals]) >= 0.85
