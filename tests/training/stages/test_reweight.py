from dataclasses import replace

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.reweight import reweight
from prunescope.training import STAGES, parse_recipes
from tests.training.conftest import small_net

STAGE = STAGES.build("reweight")


@pytest.fixture
def pruned(state, context):
    return STAGES.build({"prune": {"criterion": "random", "sparsity": 0.4}})(state, context)


def test_the_weights_are_those_of_the_function_on_a_sample_of_the_training_images(state, pruned, context, data):
    after = STAGE(pruned, replace(context, whole=state))
    told = reweight(state.load_into(small_net()), pruned.mask, context.normalization(data.images))
    assert after.mask == pruned.mask
    for name, weight in after.weights.items():
        torch.testing.assert_close(weight, told.get(name, pruned.weights[name]), rtol=1e-4, atol=1e-5)
    fewer = STAGES.build({"reweight": {"sample": 9}})(pruned, replace(context, whole=state))
    assert any(not torch.equal(fewer.weights[name], after.weights[name]) for name in told)


def test_the_outputs_come_nearer_to_those_before(state, pruned, context, data):
    images = context.normalization(data.images)
    logits = [
        one.load_into(small_net()).eval()(images).detach()
        for one in (state, pruned, STAGE(pruned, replace(context, whole=state)))
    ]
    assert float((logits[2] - logits[0]).square().mean()) < 0.5 * float((logits[1] - logits[0]).square().mean())


def test_frozen_layers_and_networks_that_lost_nothing_stay(state, pruned, context):
    frozen = replace(pruned, frozen=frozenset({"0.weight"}))
    after = STAGE(frozen, replace(context, whole=state))
    assert torch.equal(after.weights["0.weight"], pruned.weights["0.weight"])
    assert not torch.equal(after.weights["5.weight"], pruned.weights["5.weight"])
    assert STAGE(pruned, replace(context, whole=pruned)) is pruned


def test_it_needs_what_was_there_before(pruned, context):
    with pytest.raises(PrunescopeError, match="no state before pruning"):
        STAGE(pruned, context)
    train = {"train": {"until": "1ep"}}
    for stages in (["reweight"], [{"prune": {"criterion": "magnitude", "sparsity": 0.5}}, train, "reweight"]):
        with pytest.raises(PrunescopeError, match="reweight comes right after prune"):
            parse_recipes({"a": stages}, "study.yaml")
