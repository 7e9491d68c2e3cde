import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.measures import noise_similarity


def test_a_hand_sized_case():
    """One image, two draws: the networks agree in the first and swap classes in the second."""
    left = np.array([[[2.0, 0.0]], [[1.0, 0.0]]])
    right = np.array([[[2.0, 0.0]], [[0.0, 1.0]]])
    found = noise_similarity(left, right)
    p = 1 / (1 + np.exp(-1.0))
    assert (found.agreement[0], found.worst_case[0]) == (0.5, 0.0)
    assert found.softmax_l2[0] == pytest.approx(np.sqrt(2) * (2 * p - 1) / 2)
    assert found.softmax_linf[0] == pytest.approx((2 * p - 1) / 2)
    assert found.logits_l2[0] == pytest.approx(np.sqrt(2) / 2)
    assert found.logits_linf[0] == pytest.approx(0.5)


def test_a_network_is_identical_to_itself():
    logits = np.random.default_rng(0).standard_normal((3, 5, 4))
    found = noise_similarity(logits, logits)
    assert found.agreement.tolist() == found.worst_case.tolist() == [1.0] * 5
    for distance in found[2:]:
        assert distance.tolist() == [0.0] * 5


def test_torch_computes_the_same():
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((2, 4, 6, 5))
    found = noise_similarity(left, right)
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    soft = (a.softmax(2) - b.softmax(2)).norm(dim=2).mean(0)
    assert found.softmax_l2 == pytest.approx(soft.numpy())
    assert found.logits_linf == pytest.approx((a - b).abs().amax(2).mean(0).numpy())
    assert found.agreement == pytest.approx((a.argmax(2) == b.argmax(2)).double().mean(0).numpy())


def test_only_logits_know_a_constant_added_to_all_of_them():
    logits = np.random.default_rng(2).standard_normal((2, 5, 4))
    found = noise_similarity(logits, logits + 3.0)
    assert found.softmax_l2 == pytest.approx(np.zeros(5), abs=1e-12)
    assert found.logits_linf == pytest.approx(np.full(5, 3.0))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.zeros((1, 2, 3)), np.zeros((1, 2, 4))),
        (np.zeros((0, 2, 3)), np.zeros((0, 2, 3))),
        (np.full((1, 1, 2), np.nan), np.zeros((1, 1, 2))),
    ],
)
def test_bad_input_is_refused(left, right):
    with pytest.raises(PrunescopeError):
        noise_similarity(left, right)
