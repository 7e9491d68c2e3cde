import dataclasses

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import constant
from prunescope.data import Normalization
from prunescope.pruning import Mask, State, prune
from prunescope.training import Feed, train
from prunescope.training.objectives import CrossEntropy
from prunescope.training.optimizers import OPTIMIZERS
from tests.training.conftest import small_net

FIERCE = {
    "sgd": {"lr": 0.5, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "adam": {"lr": 0.1, "weight_decay": 0.1},
    "adamw": {"lr": 0.1, "weight_decay": 0.5},
    "lars": {"lr": 0.5, "momentum": 0.9, "weight_decay": 0.1, "trust": 0.1},
}


def feed(data, batch=16):
    return Feed(data=data, batch=batch, normalization=Normalization.of(data.images))


def trained(data, state, until, name="sgd", callbacks=(), precision="float32", **options):
    optimizer = OPTIMIZERS.build({name: options or {"lr": 0.05, "momentum": 0.9}})
    arguments = {"objective": CrossEntropy(), "optimizer": optimizer, "schedule": constant()}
    arguments |= {"callbacks": callbacks, "precision": precision}
    return train(small_net(), state, feed(data), until=until, **arguments)


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left) and left.keys() == right.keys()


def positive_zero(tensor):
    return not tensor.view(torch.int32).any()


def test_learns_what_can_be_learnt(data, state):
    losses = []
    trained(data, state, 80, callbacks=[lambda epoch: losses.append(epoch.loss)])
    assert losses[-1] < 0.5 < losses[0]


def test_every_optimizer_has_fierce_settings_in_the_next_test():
    assert set(FIERCE) == set(OPTIMIZERS.names())


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float32") for name in sorted(FIERCE)), ("sgd", "bfloat16"), ("adam", "bfloat16")],
)
def test_masked_weights_are_bitwise_zero_after_every_step_though_training_was_interrupted(data, state, name, precision):
    """Momentum from before pruning, decay and adaptive steps revive nothing: looked at after each of 100 steps."""
    dense = trained(data, state, 5, name, precision=precision, **FIERCE[name])
    assert dense.optimizer
    pruned = dense.with_mask(prune(dense.load_into(small_net()), sparsity=0.6))
    for step in range(6, 106):
        pruned = trained(data, pruned, step, name, precision=precision, **FIERCE[name])
        for parameter, kept in pruned.mask.items():
            assert positive_zero(pruned.weights[parameter][~kept])
            assert pruned.weights[parameter][kept].count_nonzero() > 0
    for key, slot in pruned.optimizer.items():
        kept = pruned.mask.get(key.rpartition("/")[0])
        assert kept is None or slot.shape != kept.shape or not slot[~kept].any()


def test_interrupted_after_any_epoch_equals_uninterrupted_bit_for_bit(data, state):
    whole = trained(data, state, 20)
    seen = []
    trained(data, state, 12, callbacks=[lambda epoch: seen.append(epoch.state())])
    for partial in seen:
        resumed = trained(data, partial, 20)
        assert same(resumed.weights, whole.weights)
        assert same(resumed.optimizer, whole.optimizer)


def test_the_order_of_images_is_seeded_and_covers_each_once(data):
    def order(seed, epoch):
        return torch.cat([batch.images for batch in feed(data).batches(seed, epoch)])

    assert torch.equal(order(1, 0), order(1, 0))
    assert not torch.equal(order(1, 0), order(1, 1))
    assert not torch.equal(order(1, 0), order(2, 0))
    assert torch.equal(order(1, 0).flatten(1).sum(1).sort().values, order(2, 3).flatten(1).sum(1).sort().values)


def test_starting_inside_an_epoch_skips_exactly_what_was_done(data):
    whole = [batch.labels for batch in feed(data).batches(1, 0)]
    part = [batch.labels for batch in feed(data).batches(1, 0, start=1, count=2)]
    assert [x.tolist() for x in part] == [x.tolist() for x in whole[1:3]]


def test_callbacks_disturb_nothing(data, state):
    def meddle(epoch):
        epoch.state().weights["0.weight"].zero_()
        torch.rand(100)

    torch.manual_seed(11)
    ambient = torch.get_rng_state()
    assert same(trained(data, state, 20, callbacks=[meddle]).weights, trained(data, state, 20).weights)
    torch.set_rng_state(ambient)
    expected = torch.rand(1)
    torch.set_rng_state(ambient)
    trained(data, state, 4)
    assert torch.equal(torch.rand(1), expected)


def test_the_first_step_of_sgd_equals_the_gradient_computed_by_hand(data, state):
    net = state.load_into(small_net()).eval()
    plain = dataclasses.replace(state, frozen=frozenset(n for n in state.weights if n.startswith("1.")))
    net[3].p = 0.0
    batch = next(feed(data, batch=50).batches(1, 0))
    torch.nn.functional.cross_entropy(net(batch.images), batch.labels).backward()
    arguments = {"objective": CrossEntropy(), "schedule": constant(), "until": 1}
    subject = small_net()
    subject[3].p = 0.0
    after = train(subject, plain, feed(data, batch=50), optimizer=OPTIMIZERS.build({"sgd": 0.1}), **arguments)
    for name in ("0.weight", "5.weight", "5.bias"):
        expected = state.weights[name] - 0.1 * dict(net.named_parameters())[name].grad
        torch.testing.assert_close(after.weights[name], expected)


class Viewing(nn.Module):
    """A network whose ``view`` works in one memory layout only."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(12, 3)

    def forward(self, x):
        x = self.conv(x)
        return self.fc(x.view(len(x), -1))


def test_a_network_that_cannot_take_channels_last_trains_all_the_same(data):
    net = Viewing()
    arguments = {"objective": CrossEntropy(), "schedule": constant(), "optimizer": OPTIMIZERS.build({"sgd": 0.1})}
    after = train(net, State.of(net, seed=0), feed(data), until=4, **arguments)
    assert not torch.equal(after.weights["conv.weight"], State.of(Viewing(), seed=0).weights["conv.weight"])


def test_a_state_holds_plain_contiguous_tensors(data, state):
    after = trained(data, state, 3)
    assert after.optimizer
    assert all(tensor.is_contiguous() for part in (after.weights, after.optimizer) for tensor in part.values())


def test_frozen_names_stay_bit_equal_statistics_included(data, state):
    frozen = frozenset(name for name in state.weights if name.startswith(("0.", "1.")))
    after = trained(data, dataclasses.replace(state, frozen=frozen), 12)
    for name, before in state.weights.items():
        assert torch.equal(after.weights[name], before) == (name in frozen)


def test_freezing_everything_is_refused(data, state):
    with pytest.raises(PrunescopeError, match="every parameter is frozen"):
        trained(data, dataclasses.replace(state, frozen=frozenset(state.weights)), 4)


def test_divergence_is_an_error_that_names_epoch_and_seed(data, state):
    with pytest.raises(PrunescopeError, match=r"epoch \d+, seed 1: training diverged"):
        trained(data, state, 100, "sgd", lr=1e20)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sparsity=st.floats(0, 0.95), steps=st.integers(1, 9), name=st.sampled_from(sorted(FIERCE)))
def test_the_mask_after_training_is_the_mask_before(data, state, sparsity, steps, name):
    masked = state.with_mask(prune(state.load_into(small_net()), "random", sparsity=sparsity))
    after = trained(data, masked, steps, name, **FIERCE[name])
    assert after.mask == masked.mask
    assert Mask.from_zeros(after.load_into(small_net())).within(masked.mask)
