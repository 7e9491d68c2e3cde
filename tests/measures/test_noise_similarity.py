import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import View
from prunescope.measures import NoiseSimilarities, Populations, noise_similarity
from prunescope.measures.noise_similarity import NoiseSimilarity


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


def shown(synthetic, dense, pruned):
    """Return populations with these logits ``[networks, draws, examples, classes]`` under noise."""
    whole = synthetic.from_logits(dense[:, 0], pruned[:, 0], [0] * dense.shape[2])
    sides = {
        side: tuple(
            synthetic.changed(subject, draws={"logits": torch.from_numpy(logits).float()})
            for subject, logits in zip(getattr(whole, side), table, strict=True)
        )
        for side, table in (("dense", dense), ("pruned", pruned))
    }
    return Populations(**sides)


def test_the_measure_averages_pairs_of_parent_and_child_and_its_floor_all_pairs_of_parents(synthetic):
    rng = np.random.default_rng(0)
    dense, noise = rng.standard_normal((2, 3, 4, 20, 5))
    pruned = dense + 0.3 * noise
    found = NoiseSimilarities()(shown(synthetic, dense, pruned))
    for place, quantity in enumerate(NoiseSimilarity._fields):
        own = [noise_similarity(a, b)[place].mean() for a, b in zip(dense, pruned, strict=True)]
        others = [noise_similarity(dense[i], dense[j])[place].mean() for i, j in ((0, 1), (0, 2), (1, 2))]
        assert found[quantity].value == pytest.approx(np.mean(own), abs=1e-6)
        assert found[quantity].floor == pytest.approx(np.mean(others), abs=1e-6)
    assert found["agreement"].value > found["agreement"].floor
    assert found["softmax_l2"].value < found["softmax_l2"].floor


def test_one_network_has_no_yardstick(synthetic):
    logits = np.random.default_rng(0).standard_normal((1, 2, 6, 3))
    assert NoiseSimilarities()(shown(synthetic, logits, logits + 0.1))["agreement"].floor is None


def test_it_sees_views_with_noise_only():
    measure = NoiseSimilarities(draws=3)
    assert measure.sees(View.parse("noise/uniform_noise/0.1[50]"))
    assert not measure.sees(View.parse("corruption/gaussian_noise/3"))
    assert not measure.sees(View.parse("test"))
    assert measure.inference("draws").spec() == {"draws": {"count": 3}}
