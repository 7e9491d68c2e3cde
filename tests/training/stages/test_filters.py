"""Filters in a life: pruned, trained under the mask, and then really removed."""

from dataclasses import replace

import pytest
import torch

from prunescope.models import MODELS, build
from prunescope.pruning import Mask, State, prune, shrink
from prunescope.training import STAGES

TRAIN = {"until": "2ep", "batch": 10}
OPTIMIZERS = [{"sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}}, {"adam": {"lr": 0.01}}]


def residual():
    return build(MODELS.build({"resnet20": {"width": 3}}), (1, 4, 4), 3, seed=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adam"])
@pytest.mark.parametrize("criterion", ["filter_norm", "pfp", "thinet"])
def test_what_is_pruned_stays_zero_and_can_be_removed(criterion, optimizer, context, data):
    context = replace(context, build=residual)
    state = STAGES.build({"prune": criterion, "sparsity": 0.5})(State.of(residual(), seed=1), context)
    after = STAGES.build({"train": {**TRAIN, "optimizer": optimizer}})(state, context)
    assert after.mask == state.mask
    assert not any(bool(after.weights[name][~kept].any()) for name, kept in after.mask.items())
    assert not torch.equal(after.weights["layer3.2.conv1.weight"], state.weights["layer3.2.conv1.weight"])
    net, x = after.load_into(residual()).eval(), context.normalization(data.images)
    small = shrink(net, after.mask)
    assert sum(tensor.numel() for tensor in Mask.full(small).values()) == after.mask.kept
    with torch.no_grad():
        torch.testing.assert_close(small(x), net(x), rtol=1e-5, atol=1e-5)


def test_filters_and_weights_of_the_same_sparsity_are_of_the_same_size(context):
    context = replace(context, build=residual)
    by_weights = {"filter_norm": {"count": "weights"}}
    filters, single = (
        STAGES.build({"prune": {"criterion": criterion, "sparsity": 0.6}})(State.of(residual(), seed=1), context).mask
        for criterion in (by_weights, "magnitude")
    )
    assert 0 <= single.kept - filters.kept <= 0.02 * single.kept
    assert filters == prune(residual(), "filter_norm", sparsity=0.6, count="weights")


def test_pruning_goes_on_from_level_to_level(context):
    context = replace(context, build=residual)
    state = State.of(residual(), seed=1)
    for sparsity in (0.2, 0.4, 0.6):
        after = STAGES.build({"prune": "filter_norm", "sparsity": sparsity})(state, context)
        assert after.mask.within(state.mask)
        state = after
