import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prunescope.core.errors import PrunescopeError
from prunescope.measures import QScore, latent_quality, pie, q_score
from prunescope.measures.groups import forgotten

LATENTS = arrays(np.float64, (3, 6), elements=st.floats(-100, 100, width=32))


def test_a_one_hot_latent_of_128_features_has_the_hand_computed_score():
    q, z, l1, degenerate = latent_quality(np.eye(1, 128) * 3.7)
    assert (q[0], z[0], l1[0]) == pytest.approx((11.269, 11.269, 1.0), abs=5e-4)
    assert not degenerate[0]


def test_constant_latents_score_zero_and_are_counted():
    quality = latent_quality([[0.0, 0.0, 0.0], [0.1, 0.1, 0.1], [0.0, 0.0, 1.0]])
    assert quality.degenerate.tolist() == [True, True, False]
    assert quality.q[:2].tolist() == [0.0, 0.0]
    assert quality.l1.tolist() == pytest.approx([0.0, np.sqrt(3), 1.0])


def by_definition(h):
    unit = h / np.linalg.norm(h)
    return (unit.max() - unit.mean()) / unit.std() / np.abs(unit).sum()


@given(LATENTS)
def test_it_is_the_definition_and_finite_everywhere(latents):
    scores = q_score(latents)
    assert np.isfinite(scores).all()
    for h, score in zip(latents, scores, strict=True):
        if np.ptp(h) > 1e-3:
            assert score == pytest.approx(by_definition(h), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 7.0, 1e200])
def test_size_and_order_of_features_do_not_matter(scale):
    latents = np.random.default_rng(0).random((5, 16))
    expected = q_score(latents)
    np.testing.assert_allclose(q_score(scale * latents), expected, rtol=1e-9)
    np.testing.assert_allclose(q_score(latents[:, ::-1]), expected, rtol=1e-9)


def test_networks_are_scored_one_by_one():
    latents = np.random.default_rng(0).random((3, 5, 8))
    assert np.array_equal(q_score(latents), np.stack([q_score(one) for one in latents]))


@pytest.mark.parametrize(
    ("latents", "told"), [([1.0, 2.0], "not latents"), ([[]], "not latents"), ([[1.0, np.nan]], "not finite")]
)
def test_bad_latents_are_refused(latents, told):
    with pytest.raises(PrunescopeError, match=told):
        q_score(latents)


def of(found, quantity, item=""):
    return next((v for v in found.values if (v.quantity, v.item) == (quantity, item)), None)


def test_the_measure_averages_over_networks_and_groups(synthetic):
    shown = synthetic.populations(networks=4, examples=200)
    found = QScore()(shown)
    scores = np.stack([q_score(s.evidence("latents")["latents"].numpy()) for s in shown.pruned])
    flags = found.arrays["pie"]
    assert np.array_equal(flags, forgotten(shown))
    assert 0 < flags.sum() < 200
    assert of(found, "pruned_q").value == pytest.approx(scores.mean())
    assert of(found, "pruned_q", "PIE").value == pytest.approx(scores[:, flags].mean())
    assert (of(found, "pruned_q", "PIE").n, of(found, "pruned_q", "not PIE").n) == (flags.sum(), 200 - flags.sum())
    np.testing.assert_allclose(found.arrays["pruned_q"], scores.mean(axis=0))
    assert of(found, "degenerate").value == np.mean(scores == 0)
    assert 0 < of(found, "auc").low < of(found, "auc").value < of(found, "auc").high < 1


def test_the_flags_are_those_of_pie(synthetic):
    shown = synthetic.populations(networks=4, examples=200)
    tables = [np.stack([s.probabilities.numpy() for s in side]) for side in (shown.dense, shown.pruned)]
    expected = pie(*shown.predictions, dense_probabilities=tables[0], pruned_probabilities=tables[1])
    assert np.array_equal(forgotten(shown), expected)


def test_dead_latents_give_zeros_and_one_network_no_groups(synthetic):
    shown = synthetic.populations(networks=1)
    dead = {"latents": shown.pruned[0].evidence("latents")["latents"] * 0}
    found = QScore()(type(shown)(dense=shown.dense, pruned=(synthetic.changed(shown.pruned[0], latents=dead),)))
    assert (of(found, "pruned_q").value, of(found, "degenerate").value) == (0.0, 1.0)
    assert of(found, "auc") is None
    assert of(found, "dense_q", "PIE") is None
