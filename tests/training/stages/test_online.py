"""The stage: what it leaves, what it records, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization, Teacher
from prunescope.data.rule import BLOCK
from prunescope.models import MLP, Committee, build
from prunescope.pruning import Mask, State
from prunescope.theory import order_parameters
from prunescope.training import Context, Online

SOURCE = Teacher(inputs=40, hidden=2, v_star=2.0, train=10, test=10)


def net(seed, model=None, inputs=40):
    return build(model or Committee(hidden=4), (1, 1, inputs), 1, seed)


def context(seed=0, source=SOURCE, **options):
    made = {"build": lambda: net(seed), "split": lambda name: source.load()[name], "rule": source.rule()}
    return Context(**made | {"normalization": Normalization(mean=(0.0,), std=(1.0,))} | options)


def state(seed=0):
    return State.of(net(seed), seed=seed)


def test_it_learns_and_leaves_a_state_a_network_takes():
    start, told = state(), []
    reached = Online(samples=4000, lr=0.5, stops=8)(start, context(callbacks=(told.append,)))
    reached.load_into(net(0))
    assert reached.step == 0 and reached.mask.sparsity == 0
    assert told[-1].loss < 0.3 * told[0].loss
    assert [epoch.step for epoch in told] == sorted({epoch.step for epoch in told}) and told[-1].step == 4000


def test_order_parameters_are_recorded_on_the_way():
    told = []
    Online(samples=20 * BLOCK, stops=5)(state(), context(callbacks=(told.append,)))
    for epoch in told:
        at = epoch.state()
        q, r, _ = order_parameters(at.weights["hidden.weight"].numpy(), SOURCE.network().w)
        recorded = epoch.measured
        assert recorded["Q[1,3]"] == pytest.approx(q[1, 3], rel=1e-9)
        assert recorded["R[2,1]"] == pytest.approx(r[2, 1], rel=1e-9)
        assert recorded["v[3]"] == at.weights["output.weight"][0, 3].item()
        assert len(recorded) == 10 + 8 + 4


def test_together_is_bit_for_bit_alone():
    stage = Online(samples=500, stops=4)
    seeds = (4, 0, 7)
    together = stage.together([state(s) for s in seeds], [context(s) for s in seeds])
    for seed, reached in zip(seeds, together, strict=True):
        alone = stage(state(seed), context(seed))
        assert all(torch.equal(alone.weights[name], reached.weights[name]) for name in alone.weights)


def test_a_run_that_was_cut_off_goes_on_to_the_same_bits():
    stage, told = Online(samples=1000, stops=6), []
    whole = stage(state(), context(callbacks=(lambda epoch: told.append(epoch.state()),)))
    resumed = stage(state(), context(resume=told[2]))
    assert told[2].step > 0
    beside, other = stage.together([state(), state(1)], [context(resume=told[2]), context(1)])
    for name in whole.weights:
        assert torch.equal(whole.weights[name], resumed.weights[name])
        assert torch.equal(whole.weights[name], beside.weights[name])
        assert torch.equal(other.weights[name], stage(state(1), context(1)).weights[name])


def test_a_frozen_output_stays():
    soft = replace(state(), frozen=frozenset({"output.weight"}))
    reached = Online(samples=500)(soft, context())
    assert torch.equal(reached.weights["output.weight"], soft.weights["output.weight"])
    assert not torch.equal(reached.weights["hidden.weight"], soft.weights["hidden.weight"])


def test_what_cannot_learn_online_is_refused():
    stage, whole = Online(samples=100), state()
    masked = whole.with_mask(Mask({**whole.mask, "hidden.weight": torch.rand(4, 40) > 0.5}))
    frozen = replace(whole, frozen=frozenset({"hidden.weight"}))
    wide = context(build=lambda: net(0, inputs=30))
    for start, given, told in (
        (whole, context(rule={}), "rule behind these data"),
        (whole, context(build=lambda: net(0, MLP(hidden=(4,)))), "committee machine"),
        (masked, context(), "whole first layer"),
        (frozen, context(), "whole first layer"),
        (whole, wide, "differ in inputs"),
    ):
        with pytest.raises(PrunescopeError, match=told):
            stage(start, given)


def test_every_nonlinearity_learns():
    for name, rate in (("relu", 0.1), ("tanh", 0.5), ("sigmoid", 0.5), ("linear", 0.1)):
        source, told = Teacher(inputs=40, activation=name, v_star=1.0), []
        model = Committee(hidden=4, activation=name)
        given = context(source=source, build=lambda m=model: net(0, m), callbacks=(told.append,))
        Online(samples=3000, lr=rate, stops=6)(State.of(net(0, model), seed=0), given)
        assert told[-1].loss < told[0].loss, name
        assert np.isfinite(told[-1].loss)
