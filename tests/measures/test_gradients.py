import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from prunescope.measures import Gradients
from prunescope.measures.gradients import PULLS
from prunescope.training import OBJECTIVES
from prunescope.training.objectives import Batch


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(sorted(PULLS)), classes=st.integers(1, 7), seed=st.integers(0, 99), scale=st.floats(0, 9))
def test_it_is_the_gradient_that_training_with_this_objective_would_see(name, classes, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    logits = (scale * torch.randn(6, classes, generator=generator, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(classes, (6,), generator=generator)
    (6 * OBJECTIVES.build(name)(torch.nn.Identity(), Batch(logits, labels))).backward()
    found = PULLS[name](torch.softmax(logits.detach(), 1).numpy(), labels.numpy())
    assert found == pytest.approx(logits.grad.norm(dim=1).numpy(), abs=1e-9)


def test_a_hand_sized_example(synthetic):
    """One image surely right, one surely wrong, in one network: the mistake sees neither."""
    logits = np.array([[[60.0, 0.0], [60.0, 0.0]]])
    found = Gradients()(synthetic.from_logits(logits, logits, np.array([0, 1])))
    told = {(value.quantity, value.item): (value.value, value.n) for value in found.values}
    assert told["cross_entropy", ""] == (pytest.approx(2**0.5 / 2), 2)
    assert told["cross_entropy", "wrong"] == (pytest.approx(2**0.5), 1)
    assert told["cross_entropy", "right"] == (pytest.approx(0, abs=1e-12), 1)
    assert told["softmax_cross_entropy", "wrong"] == (pytest.approx(0, abs=1e-12), 1)


def test_without_a_wrong_answer_nothing_is_said_of_wrong_ones(synthetic):
    right = 5 * np.eye(3)[None]
    found = Gradients()(synthetic.from_logits(right, right, np.arange(3)))
    assert {value.item for value in found.values} == {"", "right"}
