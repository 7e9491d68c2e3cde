from dataclasses import replace

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import State
from prunescope.training import STAGES
from tests.training.conftest import small_net

MODEL = MODELS.build({"mlp": {"hidden": [5]}})


def made(seed=1):
    return build(MODEL, (1, 4, 4), 3, seed)


@pytest.fixture
def pruned(context):
    own = replace(context, build=lambda seed=None: made(1 if seed is None else seed))
    trained = STAGES.build({"train": {"until": "2ep", "batch": 16, "stop": "1ep"}})(State.of(made(), seed=1), own)
    return STAGES.build({"prune": {"criterion": "magnitude", "sparsity": 0.6}})(trained, own), own


def test_the_mask_stays_and_every_weight_is_drawn_anew(pruned):
    before, context = pruned
    after = STAGES.build("reinitialize")(before, context)
    assert after.mask == before.mask
    assert (after.step, dict(after.optimizer)) == (0, {})
    first = dict(made().named_parameters())
    for name, kept in after.mask.items():
        weight = after.weights[name]
        assert not weight[~kept].any()
        assert not bool((weight == before.weights[name])[kept].any())
        assert not bool((weight == first[name])[kept].any())  # another draw than the first one
        bound = float(first[name].detach().abs().max())
        assert float(weight.abs().max()) < 1.5 * bound  # of the same distribution


def test_the_draw_follows_the_seed_of_the_network(pruned):
    before, context = pruned
    stage = STAGES.build("reinitialize")
    again, other = stage(before, context), stage(replace(before, seed=7), context)
    told = stage(before, context)
    assert all(torch.equal(told.weights[name], again.weights[name]) for name in told.weights)
    assert any(not torch.equal(told.weights[name], other.weights[name]) for name in told.weights)


def test_what_is_frozen_stays(pruned):
    before, context = pruned
    frozen = replace(before, frozen=frozenset({"linear1.weight"}))
    after = STAGES.build("reinitialize")(frozen, context)
    assert torch.equal(after.weights["linear1.weight"], before.weights["linear1.weight"])
    assert not torch.equal(after.weights["linear2.weight"], before.weights["linear2.weight"])


def test_a_network_that_is_read_and_not_drawn_is_refused(context):
    read: nn.Module = small_net()
    own = replace(context, build=lambda seed=None: read)
    with pytest.raises(PrunescopeError, match="two draws of the initial weights are the same"):
        STAGES.build("reinitialize")(State.of(read, seed=1), own)
