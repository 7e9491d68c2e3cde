"""Propagate in a life: after Prune, with biases that take the constants."""

from dataclasses import replace

import torch
from torch import nn

from prunescope.pruning import Mask, State
from prunescope.training import STAGES, Context


def net():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def pruned():
    state = State.of(net(), seed=1)
    flags = state.mask["1.weight"].clone()
    flags[:2] = False
    weights = {**state.weights, "1.bias": torch.tensor([1.0, -1.0, 0.1, 0.1, 0.1, 0.1])}
    return replace(state, weights=weights).with_mask(Mask({**state.mask, "1.weight": flags}))


def test_constants_are_folded_and_masked(context, data):
    context = Context(build=net, split=context.split, normalization=context.normalization)
    before = pruned()
    after = STAGES.build({"propagate": {"single": False, "sample": 20}})(before, context)
    assert not bool(after.mask["3.weight"][:, :2].any())
    assert after.weights["3.weight"][:, :2].count_nonzero() == 0
    x = context.normalization(data.images)
    with torch.no_grad():
        told, wanted = (state.load_into(net()).eval()(x) for state in (after, before))
    torch.testing.assert_close(told, wanted)
    fewer = STAGES.build("propagate")(before, context)
    assert fewer.mask.within(after.mask)


def test_frozen_layers_stay(context):
    context = Context(build=net, split=context.split, normalization=context.normalization)
    frozen = replace(pruned(), frozen=frozenset({"3.weight", "3.bias"}))
    after = STAGES.build({"propagate": {"sample": 20}})(frozen, context)
    assert torch.equal(after.weights["3.weight"], frozen.weights["3.weight"])
    assert torch.equal(after.weights["3.bias"], frozen.weights["3.bias"])
    assert bool(after.mask["3.weight"].all())
