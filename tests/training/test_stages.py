import dataclasses

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.training import STAGES
from tests.training.conftest import small_net
from tests.training.test_loop import same

TRAIN = {"train": {"until": "5ep", "batch": 16, "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}}}}


def act(spec, state, context):
    return STAGES.build(spec)(state, context)


def test_a_finished_train_leaves_no_position_and_no_optimiser(state, context):
    after = act(TRAIN, state, context)
    assert (after.step, dict(after.optimizer)) == (0, {})
    assert not same(after.weights, state.weights)


def test_a_staircase_is_written_as_its_boundaries(state, context):
    stairs = STAGES.build(
        {"train": {**TRAIN["train"], "lr": {"steps": ["2ep", "4ep"], "factor": 0.5, "warmup": "1ep"}}}
    )
    factor = stairs.lr.schedule(per_epoch=4, total=20)
    assert [factor(step) for step in (0, 2, 4, 8, 16)] == [0, 0.5, 1, 0.5, 0.25]


def test_stopping_and_going_on_equals_training_through(state, context):
    stopped = act({"train": {**TRAIN["train"], "stop": "2ep"}}, state, context)
    assert stopped.step == 8
    assert stopped.optimizer
    assert same(act(TRAIN, stopped, context).weights, act(TRAIN, state, context).weights)


def test_prune_takes_a_share_of_all_or_of_what_remains(state, context):
    half = act({"prune": {"criterion": "magnitude", "sparsity": 0.5}}, state, context)
    assert half.mask.kept == 84 - 42
    less = act({"prune": {"criterion": "magnitude", "remove": 0.2, "of": "remaining"}}, half, context)
    assert less.mask.kept == 42 - round(0.2 * 42)
    share = act({"prune": {"criterion": "magnitude", "remove": 0.25, "of": "total"}}, half, context)
    assert share.mask.kept == 21
    assert all(not after.weights[n][~kept].any() for after in (half, less, share) for n, kept in after.mask.items())


def test_random_pruning_differs_between_seeds_of_the_network(state, context):
    spec = {"prune": {"criterion": "random", "sparsity": 0.5}}
    other = dataclasses.replace(state, seed=2)
    assert act(spec, state, context).mask == act(spec, state, context).mask
    assert act(spec, state, context).mask != act(spec, other, context).mask


def test_lr_rewinding_starts_the_schedule_afresh(state, context):
    stopped = act({"train": {**TRAIN["train"], "stop": "2ep"}}, state, context)
    rewound = act({"rewind": "lr"}, stopped, context)
    assert (rewound.step, dict(rewound.optimizer)) == (0, {})
    assert same(rewound.weights, stopped.weights)


def test_weight_rewinding_really_rewinds_and_keeps_the_mask(state, context):
    early = act({"train": {**TRAIN["train"], "stop": "2ep"}}, state, context)
    late = act({"prune": {"criterion": "magnitude", "sparsity": 0.5}}, act(TRAIN, state, context), context)
    rewound = act({"rewind": {"to": "weights", "at": "2ep"}}, late, dataclasses.replace(context, early=early))
    assert rewound.mask == late.mask
    assert (rewound.step, dict(rewound.optimizer)) == (8, {})
    for name, weight in rewound.weights.items():
        kept = late.mask.get(name, torch.ones_like(weight, dtype=torch.bool))
        assert torch.equal(weight, early.weights[name] * kept)


def test_recalibrated_statistics_are_the_averages_over_the_training_images(state, context, data):
    after = act({"recalibrate": {"batch": 50}}, state, context)
    net = state.load_into(small_net())
    maps = net[0](context.normalization(data.images)).detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(after.weights["1.running_mean"], maps.mean(1))
    torch.testing.assert_close(after.weights["1.running_var"], maps.var(1))
    untouched = [name for name in state.weights if not name.startswith("1.running") and "tracked" not in name]
    assert all(torch.equal(after.weights[name], state.weights[name]) for name in untouched)
    some = [act({"recalibrate": {"sample": n}}, state, context).weights["1.running_mean"] for n in (9, 9, 50)]
    assert torch.equal(some[0], some[1])
    assert not torch.equal(some[0], some[2])
    torch.testing.assert_close(some[2], maps.mean(1))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"train": {**TRAIN["train"], "stop": "9ep"}}, "training cannot reach its end"),
        ({"train": {**TRAIN["train"], "lr": {"constant": {"warmup": "6ep"}}}}, "warm-up longer than training"),
        ({"prune": {"criterion": "magnitude"}}, "prune needs an amount"),
        ({"prune": {"criterion": "magnitude", "sparsity": 0.5, "remove": 0.5}}, "two amounts"),
        ({"rewind": "weights"}, "no earlier state"),
        ({"rewind": "momentum"}, "rewind: to"),
        ({"train": {"until": "soon"}}, "not a duration"),
        ({"train": {"until": "1ep", "optimizer": {"sgd": {"nesterov": True}}}}, "Nesterov needs momentum"),
        ({"train": {"until": "1ep", "optimizer": {"sgd": {"lr": -1}}}}, "greater than 0"),
        ({"train": {"until": "1ep", "optimizer": "sdg"}}, "did you mean 'sgd'"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, told, state, context):
    with pytest.raises(PrunescopeError, match=told):
        act(spec, state, context)
