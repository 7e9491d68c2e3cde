import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Accuracy, Agreement, Calibration, Pie, Populations, stacked_predictions

LOGIT_MEASURES = [Accuracy(), Agreement(), Calibration(), Pie()]


def changed(synthetic, shown, **outputs):
    known = shown.pruned[1].evidence("logits")
    pruned = synthetic.changed(shown.pruned[1], logits={**known, **outputs})
    return Populations(dense=shown.dense, pruned=(shown.pruned[0], pruned))


@pytest.mark.parametrize("measure", LOGIT_MEASURES, ids=lambda m: m.member_name)
def test_networks_shown_other_examples_are_refused(synthetic, measure):
    shown = synthetic.populations(networks=2, examples=20)
    fewer = shown.pruned[1].logits[:-1]
    with pytest.raises(PrunescopeError, match="network of seed 1: logits do not fit"):
        measure(changed(synthetic, shown, logits=fewer))
    with pytest.raises(PrunescopeError, match="different examples"):
        measure(changed(synthetic, shown, labels=shown.pruned[1].labels.flip(0)))


@pytest.mark.parametrize("measure", LOGIT_MEASURES, ids=lambda m: m.member_name)
def test_no_example_and_logits_that_are_not_finite_are_refused(synthetic, measure):
    empty = np.zeros((2, 0, 3))
    with pytest.raises(PrunescopeError, match="at least one example"):
        measure(synthetic.from_logits(empty, empty, np.zeros(0, dtype=int)))
    shown = synthetic.populations(networks=2, examples=20)
    with pytest.raises(PrunescopeError, match="not finite"):
        measure(changed(synthetic, shown, logits=torch.full_like(shown.pruned[1].logits, torch.nan)))


@pytest.mark.parametrize("measure", LOGIT_MEASURES, ids=lambda m: m.member_name)
def test_one_class_and_one_example_are_enough(synthetic, measure):
    found = measure(synthetic.from_logits(np.ones((2, 1, 1)), np.ones((2, 1, 1)), [0]))
    assert found.status == "measured"
    found = measure(synthetic.from_logits(np.ones((2, 3, 4)), 2 * np.ones((2, 3, 4)), [2, 2, 2]))
    assert {v.item for v in found.values} <= {"", "c2", "PIE", "not PIE", "random"}


def test_predictions_are_stacked_and_ties_go_to_the_lowest_class(synthetic):
    shown = synthetic.from_logits(np.array([[[1.0, 1.0], [0.0, 2.0]]]), None, [0, 1])
    assert stacked_predictions(shown.dense).tolist() == [[0, 1]]
    assert [table.tolist() for table in shown.predictions] == [[[0, 1]], [[0, 1]]]
    assert shown.unchanged


def test_populations_pair_up_by_seed(synthetic):
    shown = synthetic.populations(networks=2, examples=10)
    with pytest.raises(PrunescopeError, match="pair up"):
        Populations(dense=shown.dense, pruned=shown.pruned[::-1])
    with pytest.raises(PrunescopeError, match="pair up"):
        Populations(dense=(), pruned=())
    assert [pair.dense.seed for pair in shown.pairs] == [0, 1]
    assert not shown.unchanged
