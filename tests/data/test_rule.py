import math

import numpy as np
import pytest
from scipy.special import erf

from prunescope.data.rule import BLOCK, Rule, draw_block, draw_examples


def made(noise=0.0, activation="erf"):
    w = np.random.default_rng(0).standard_normal((2, 30)).astype(np.float32)
    return Rule(w=w, v=np.array([4.0, -1.0]), noise=noise, activation=activation)


def test_outputs_follow_the_formula():
    rule, x = made(), np.random.default_rng(1).standard_normal((7, 30))
    nodes = [v * erf(x @ w / math.sqrt(30) / math.sqrt(2)) for w, v in zip(rule.w, rule.v, strict=True)]
    np.testing.assert_allclose(rule.outputs(x), sum(nodes), rtol=1e-12)


def test_blocks_of_a_stream_are_normal_and_different():
    blocks = [draw_block(seed, number, 200) for seed in (0, 1) for number in (0, 1)]
    everything = np.concatenate([x.ravel() for x, _ in blocks])
    assert len({x.tobytes() for x, _ in blocks}) == 4
    assert everything.mean() == pytest.approx(0, abs=4 / math.sqrt(everything.size))
    assert everything.std() == pytest.approx(1, abs=4 / math.sqrt(2 * everything.size))


def test_examples_are_the_beginning_of_the_stream():
    x, y = draw_examples(made(), seed=3, count=BLOCK + 5)
    more, labels = draw_examples(made(), seed=3, count=3 * BLOCK)
    np.testing.assert_array_equal(x, more[: BLOCK + 5])
    np.testing.assert_array_equal(y, labels[: BLOCK + 5])


def test_noise_leaves_the_inputs_as_they_are_and_has_its_size():
    x, clean = draw_examples(made(), seed=0, count=4000)
    same, noisy = draw_examples(made(noise=0.5), seed=0, count=4000)
    np.testing.assert_array_equal(x, same)
    assert (noisy - clean).std() == pytest.approx(0.5, abs=0.5 * 4 / math.sqrt(8000))
