from dataclasses import replace

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.training import STAGES, regrowth
from tests.training.conftest import small_net

TRAIN = {"train": {"until": "2ep", "batch": 16, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}}
HALF = {"prune": {"criterion": "magnitude", "sparsity": 0.5}}


def act(spec, state, context):
    return STAGES.build(spec)(state, context)


@pytest.fixture
def pruned(state, context):
    return act(HALF, state, context)


def test_from_zero_nothing_changes_but_the_mask(pruned, context):
    after = act("regrow", pruned, context)
    assert after.mask.sparsity == 0
    assert all(torch.equal(after.weights[name], weight) for name, weight in pruned.weights.items())


def test_what_grows_back_is_counted_and_measured_from_the_two_states(pruned, context):
    start = act("regrow", pruned, context)
    none = regrowth(pruned, start)
    assert [(r.revived, r.grown, r.size) for r in none.values()] == [
        (total - kept, 0, None) for kept, total in pruned.mask.counts().values()
    ]
    after = act(TRAIN, start, context)
    for name, found in regrowth(pruned, after).items():
        grown = after.weights[name][~pruned.mask[name]]
        assert found.revived == grown.numel()
        assert 0 < found.grown == int(grown.count_nonzero()) <= found.revived
        assert found.size == pytest.approx(float(grown[grown != 0].abs().mean()))
    again = act(HALF, after, context)
    assert sum(r.revived for r in regrowth(pruned, again).values()) < sum(r.revived for r in none.values())


def test_pruned_weights_stay_zero_until_they_may_grow(pruned, context):
    masked = act(TRAIN, pruned, context)
    assert all(r.revived == r.grown == 0 for r in regrowth(pruned, masked).values())


def test_from_init_pruned_weights_are_drawn_from_their_tensors_initial_weights(pruned, context):
    after = act({"regrow": "init"}, pruned, context)
    initial = dict(small_net().named_parameters())
    for name, kept in pruned.mask.items():
        assert torch.equal(after.weights[name][kept], pruned.weights[name][kept])
        revived = after.weights[name][~kept]
        assert torch.isin(revived, initial[name]).all()
        assert len(revived.unique()) == len(revived)  # without replacement
        assert not torch.equal(revived, initial[name][~kept])  # a new draw, not the old, small, values


def test_the_draw_follows_the_seed_of_the_network_alone(pruned, context):
    first = act({"regrow": "init"}, pruned, context)
    torch.rand(7)
    again = act({"regrow": "init"}, pruned, context)
    other = act({"regrow": "init"}, replace(pruned, seed=9), context)
    assert all(torch.equal(first.weights[name], again.weights[name]) for name in first.weights)
    assert not torch.equal(first.weights["5.weight"], other.weights["5.weight"])


def test_slots_of_revived_weights_start_at_zero(state, context):
    stopped = act({"train": {**TRAIN["train"], "stop": "1ep"}}, state, context)
    pruned = act(HALF, stopped, context)
    after = act("regrow", pruned, context)
    for name, kept in pruned.mask.items():
        slot = after.optimizer[f"{name}/momentum_buffer"]
        assert not slot[~kept].any() and slot[kept].any()


@pytest.mark.parametrize(
    ("spec", "told"),
    [("regrow", "regrow: nothing is pruned that could grow back"), ({"regrow": "random"}, "regrow: start")],
)
def test_regrowing_what_was_never_pruned_is_refused(spec, told, state, context):
    with pytest.raises(PrunescopeError, match=told):
        act(spec, state, context)


def test_resetting_the_optimiser_keeps_everything_else(state, context):
    stopped = act({"train": {**TRAIN["train"], "stop": "1ep"}}, state, context)
    after = act("reset_optimizer", stopped, context)
    assert stopped.optimizer and not after.optimizer
    assert (after.step, after.mask, after.frozen, after.seed) == (4, stopped.mask, stopped.frozen, 1)
    assert after.weights is stopped.weights
