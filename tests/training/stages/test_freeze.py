from dataclasses import replace

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Normalization
from prunescope.models import MODELS, build
from prunescope.pruning import State, prunable
from prunescope.training import STAGES, Context
from prunescope.training.stages.freeze import first_layers
from tests.training.conftest import small_net

TRAIN = {"train": {"until": "3ep", "batch": 16, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}}
CONV, NORM, LINEAR = ("0.weight", "0.bias"), ("1.weight", "1.bias"), ("5.weight", "5.bias")
STATISTICS = ("1.running_mean", "1.running_var", "1.num_batches_tracked")


def act(spec, state, context):
    return STAGES.build(spec)(state, context)


def changed(before, after):
    return {name for name, w in before.weights.items() if not torch.equal(after.weights[name], w)}


def test_the_first_fraction_is_whole_layers_with_their_norms(state, context):
    """The convolution holds 36 of 84 weights, 43 %."""
    frozen = act({"freeze": 0.45}, state, context).frozen
    assert frozen == {*CONV, *NORM, *STATISTICS}
    assert act({"freeze": 36 / 84}, state, context).frozen == frozen


def test_frozen_layers_stay_bit_for_bit_and_the_rest_trains(state, context):
    after = act(TRAIN, act({"freeze": 0.45}, state, context), context)
    assert changed(state, after) == set(LINEAR)


def test_names_freeze_what_they_fit_and_nothing_more(state, context):
    assert act({"freeze": {"names": ["1"]}}, state, context).frozen == {*NORM, *STATISTICS}
    assert act({"freeze": {"names": ["*.bias"]}}, state, context).frozen == {"0.bias", "1.bias", "5.bias"}
    weights_alone = act({"freeze": {"names": ["1.weight", "1.bias"]}}, state, context)
    assert changed(state, act(TRAIN, weights_alone, context)) == {*CONV, *LINEAR, *STATISTICS}


def test_freezing_adds_up_and_unfreezing_releases(state, context):
    both = act({"freeze": {"names": ["5"]}}, act({"freeze": {"names": ["0"]}}, state, context), context)
    assert both.frozen == {*CONV, *LINEAR}
    part = act({"unfreeze": {"names": ["0"]}}, both, context)
    assert part.frozen == set(LINEAR)
    assert changed(state, act(TRAIN, part, context)) == {*CONV, *NORM, *STATISTICS}
    assert act("unfreeze", both, context).frozen == frozenset()
    assert changed(state, act(TRAIN, act("unfreeze", both, context), context)) == set(state.weights)


@pytest.mark.parametrize("stage", [
    {"prune": {"criterion": "magnitude", "sparsity": 0.5}}, {"prune": {"criterion": "random", "remove": 0.3}},
    {"recalibrate": {"batch": 25}}, {"rewind": {"to": "weights", "at": "1ep"}}, "reset_optimizer",
])  # fmt: skip
def test_no_other_stage_touches_what_is_frozen(stage, state, context):
    early = act({"train": {**TRAIN["train"], "stop": "1ep"}}, state, context)
    frozen = act({"freeze": 0.45}, act(TRAIN, state, context), context)
    after = act(stage, frozen, replace(context, early=early))
    assert not changed(frozen, after) & after.frozen
    assert after.frozen == frozen.frozen
    assert after.mask["0.weight"].all()


def test_frozen_weights_are_not_counted_when_pruning(state, context):
    after = act({"prune": {"criterion": "magnitude", "sparsity": 0.5}}, act({"freeze": 0.45}, state, context), context)
    assert after.mask.counts() == {"0.weight": (36, 36), "5.weight": (24, 48)}


def test_a_frozen_mask_does_not_grow_back(state, context):
    pruned = act({"prune": {"criterion": "magnitude", "sparsity": 0.5, "scope": "layer"}}, state, context)
    after = act({"regrow": {"start": "init"}}, act({"freeze": {"names": ["0"]}}, pruned, context), context)
    assert after.mask.counts() == {"0.weight": (18, 36), "5.weight": (48, 48)}
    assert torch.equal(after.weights["0.weight"], pruned.weights["0.weight"])


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3])
def test_in_resnet18_the_fraction_is_of_the_weights_not_of_the_layers(fraction):
    net = build(MODELS.build({"resnet18": {"width": 8}}), (3, 8, 8), 10, seed=0)
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    context = Context(
        build=lambda: net,
        split=lambda name: Dataset(images=images, labels=torch.zeros(4, dtype=torch.int64), classes=("a",)),
        normalization=Normalization(mean=(0.5,) * 3, std=(0.2,) * 3),
    )
    state = State.of(net, seed=0)
    frozen = act({"freeze": fraction}, state, context).frozen
    sizes = {name: weight.numel() for name, weight in prunable(net).items()}
    held = sum(sizes[name] for name in frozen & sizes.keys())
    following = next(size for name, size in sizes.items() if name not in frozen)
    assert held <= fraction * sum(sizes.values()) < held + following
    for name in frozen & sizes.keys():
        norm = name.replace("conv", "bn").replace("downsample.0", "downsample.1").removesuffix("weight")
        assert {norm + part for part in ("weight", "bias", "running_mean", "num_batches_tracked")} <= frozen


def test_forward_order_counts_not_the_order_of_definition():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)
            self.norm = nn.BatchNorm1d(3)
            self.first = nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.norm(self.first(x)))

    net = Backwards()
    assert first_layers(net, ["first", "norm", "last"], 0.7) == {
        "first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
        "norm.num_batches_tracked",
    }  # fmt: skip


def test_a_network_of_one_layer_has_no_first_fraction(context):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    one = replace(context, build=lambda: net)
    with pytest.raises(PrunescopeError, match=r"the first layer alone holds more; expected ≥ 1, got 0\.9"):
        act({"freeze": 0.9}, State.of(net, seed=0), one)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"freeze": {}}, "expected fraction or names, got neither"),
        ({"freeze": {"fraction": 0.5, "names": ["0"]}}, "expected fraction or names, got both"),
        ({"freeze": 0.0}, "greater than 0"),
        ({"freeze": 1.0}, "less than 1"),
        ({"freeze": -0.1}, "greater than 0"),
        ({"freeze": 0.2}, "freeze: the first layer alone holds more; expected ≥ 0.4286, got 0.2"),
        ({"freeze": {"names": ["*"]}}, "freeze: every parameter is frozen"),
        ({"freeze": {"names": ["0", "lineal"]}}, "freeze: unknown layer or tensor 'lineal'"),
        ("unfreeze", "unfreeze: nothing is frozen"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, told, state, context):
    with pytest.raises(PrunescopeError, match=told):
        act(spec, state, context)


def test_freezing_the_rest_by_and_by_is_refused_too(state, context):
    most = act({"freeze": {"names": ["0", "1"]}}, state, context)
    with pytest.raises(PrunescopeError, match="every parameter is frozen"):
        act({"freeze": {"names": ["5"]}}, most, context)
    with pytest.raises(PrunescopeError, match="unfreeze: unknown layer or tensor '5'"):
        act({"unfreeze": {"names": ["5"]}}, most, context)


def test_a_stage_without_weights_to_change_is_refused(state, context):
    frozen = act({"freeze": {"names": ["0", "5.weight"]}}, state, context)
    prune = {"criterion": "magnitude", "sparsity": 0.5}
    with pytest.raises(
        PrunescopeError, match="prune: no weights that this stage may change; got 2 frozen and 0 ignored"
    ):
        act({"prune": prune}, frozen, context)
    with pytest.raises(PrunescopeError, match="got 0 frozen and 2 ignored of 2 tensors"):
        act({"prune": {**prune, "ignore": ["0", "5"]}}, state, context)


def test_names_reach_through_every_level_of_modules():
    net = build(MODELS.build("wrn16_2"), (3, 8, 8), 10, seed=0)
    state = State.of(net, seed=0)
    context = Context(build=lambda: net, split=lambda name: None, normalization=Normalization(mean=(0.5,), std=(1,)))
    trunk = act({"freeze": {"names": ["conv1", "block*", "bn1"]}}, state, context).frozen
    assert set(state.weights) - trunk == {"fc.weight", "fc.bias"}
    one = act({"freeze": {"names": ["block1.layer.0"]}}, state, context).frozen
    assert one == {name for name in state.weights if name.startswith("block1.layer.0.")}


def test_ignored_layers_are_left_whole_and_not_counted(state, context):
    prune = {"criterion": "magnitude", "remove": 0.5, "ignore": ["5"]}
    assert act({"prune": prune}, state, context).mask.counts() == {"0.weight": (18, 36), "5.weight": (48, 48)}
    with pytest.raises(PrunescopeError, match=r"prune.ignore: unknown layer or tensor 'conv1'"):
        act({"prune": {**prune, "ignore": ["conv1"]}}, state, context)


def test_the_network_itself_may_be_the_only_layer():
    net = nn.Linear(4, 2)
    with pytest.raises(PrunescopeError, match="the first layer alone"):
        first_layers(net, [""], 0.5)


def test_small_net_is_what_these_numbers_are_about():
    assert {name: weight.numel() for name, weight in prunable(small_net()).items()} == {"0.weight": 36, "5.weight": 48}
