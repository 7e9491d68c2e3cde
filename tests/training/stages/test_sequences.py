"""After any sequence of stages: pruned weights are bitwise zero, what is frozen is bit-equal, counts are exact."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import State
from prunescope.training import STAGES
from tests.training.conftest import small_net
from tests.training.test_loop import FIERCE, positive_zero, same


def plain_net():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(1)
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.body = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1, bias=False))
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        out = self.conv1(self.bn(x))
        return self.head((out + self.body(out)).mean((2, 3)))


def residual_net():
    with torch.random.fork_rng():
        torch.manual_seed(6)
        return Residual()


NETS = {"small": small_net, "plain": plain_net, "residual": residual_net}
# What a stage may refuse in some states; nothing else is an excuse.
REFUSALS = (
    "nothing is frozen", "nothing is pruned that could grow back", "more is pruned already",
    "every parameter is frozen", "no weights that this stage may change", "the first layer alone holds more",
)  # fmt: skip

optimizers = st.sampled_from([{name: {**options, "lr": options["lr"] / 5}} for name, options in FIERCE.items()])
shares = st.floats(0.05, 0.9)
trains = st.builds(
    lambda optimizer, epochs: {"until": f"{epochs}ep", "batch": 16, "optimizer": optimizer},
    optimizers,
    st.integers(1, 3),
)
stages = st.one_of(
    st.builds(lambda train: {"train": train}, trains),
    st.builds(lambda train, stop: {"train": train | {"until": "3ep", "stop": f"{stop}it"}}, trains, st.integers(0, 11)),
    st.builds(lambda share, scope, criterion: {"prune": {"criterion": criterion, "sparsity": share, "scope": scope}},
              shares, st.sampled_from(["global", "layer"]), st.sampled_from(["magnitude", "random"])),
    st.builds(lambda share: {"prune": {"criterion": "magnitude", "remove": share}}, shares),
    st.builds(lambda share: {"freeze": round(share, 3)}, shares),
    st.builds(lambda name: {"freeze": {"names": [name]}}, st.sampled_from(["*.bias", "*.weight", "*1*"])),
    st.just("unfreeze"),
    st.sampled_from(["regrow", {"regrow": "init"}, "reset_optimizer", {"recalibrate": {"batch": 25}}]),
    st.sampled_from([{"rewind": "lr"}, {"rewind": {"to": "weights", "at": "1ep"}}]),
    st.builds(lambda train, share, begin, length, every, scope: {"gradual": {
        "train": train | {"until": "3ep"}, "begin": f"{begin}it", "end": f"{begin + length}it", "every": f"{every}it",
        "sparsity": share, "scope": scope,
    }}, trains, shares, st.integers(0, 5), st.integers(1, 7), st.integers(1, 6), st.sampled_from(["global", "layer"])),
)  # fmt: skip


def counted(stage, before):
    """Return the exact counts that a stage that prunes must leave, by tensor or in all."""
    considered = {name: kept for name, kept in before.mask.items() if name not in before.frozen}
    alive = {name: int(kept.count_nonzero()) for name, kept in considered.items()}
    total = {name: kept.numel() for name, kept in considered.items()}
    [options] = stage.spec(complete=True).values()
    if options.get("remove") is not None:
        return sum(alive.values()) - round(options["remove"] * sum(alive.values()))
    if options["scope"] == "layer":
        return {name: n - round(options["sparsity"] * n) for name, n in total.items()}
    return sum(total.values()) - round(options["sparsity"] * sum(total.values()))


def check(stage, before, after):
    for name, kept in after.mask.items():
        assert positive_zero(after.weights[name][~kept])
        slots = [slot for key, slot in after.optimizer.items() if key.rpartition("/")[0] == name]
        assert not any(slot[~kept].any() for slot in slots if slot.shape == kept.shape)
    for name in before.frozen:
        assert torch.equal(after.weights[name], before.weights[name])
        assert name not in before.mask or torch.equal(after.mask[name], before.mask[name])
    if stage.prunes:
        expected, counts = counted(stage, before), after.mask.counts()
        found = {name: counts[name][0] for name in counts if name not in before.frozen}
        assert expected == (found if isinstance(expected, dict) else sum(found.values()))
    elif stage.member_name != "regrow":
        assert after.mask == before.mask
    assert all(torch.isfinite(weight).all() for weight in after.weights.values())


def watched(stage):
    """Return the same stage with everything measured after each epoch."""
    if stage.member_name == "gradual":
        return stage.model_copy(update={"train": watched(stage.train)})
    track = {"track": ("train", "validation", "weights"), "track_images": 20}
    return stage.model_copy(update=track) if stage.member_name == "train" else stage


def interrupted(stage, before, context, epoch):
    """Return the state after a stage that was cut off after an epoch and went on from what was saved."""
    saved = []
    stage(before, replace(context, callbacks=[lambda seen: saved.append(seen.state())]))
    if not saved:
        return None
    tensors, meta = saved[epoch % len(saved)].to_tensors()
    return stage(before, replace(context, resume=State.from_tensors(tensors, meta)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(net=st.sampled_from(sorted(NETS)), specs=st.lists(stages, min_size=1, max_size=7), epoch=st.integers(0, 2))
def test_the_promises_of_a_stage_hold_after_any_sequence(net, specs, epoch, context):
    """Each training is run again, cut off, resumed and measured after every epoch: the end is the same bit for bit."""
    build = NETS[net]
    state = State.of(build(), seed=epoch)
    early = STAGES.build({"train": {"until": "3ep", "batch": 16, "stop": "1ep"}})(state, replace(context, build=build))
    context = replace(context, build=build, early=early)
    for spec in specs:
        stage = STAGES.build(spec)
        before = replace(state, step=0, optimizer={}) if stage.member_name in ("train", "gradual") else state
        try:
            state = stage(before, context)
        except PrunescopeError as refusal:
            assert any(told in str(refusal) for told in REFUSALS), refusal
            continue
        check(stage, before, state)
        resumed = interrupted(watched(stage), before, context, epoch)
        if resumed is not None:
            assert same(resumed.weights, state.weights) and resumed.mask == state.mask


@pytest.mark.parametrize("net", sorted(NETS))
def test_the_life_of_a_pruned_network(net, context):
    """Train, freeze, prune, train under the mask, grow back, train: system by system what the studies do."""
    build = NETS[net]
    context = replace(context, build=build)
    train = {"train": {"until": "2ep", "batch": 16, "optimizer": {"adam": {"lr": 0.01}}}}
    names = {"freeze": {"names": {"small": ["0", "1"], "plain": ["1"], "residual": ["bn", "conv1"]}[net]}}
    prune = {"prune": {"criterion": "magnitude", "sparsity": 0.5, "scope": "layer"}}
    specs = [train, names, prune, train, "unfreeze", "regrow", train]
    states = [State.of(build(), seed=0)]
    for spec in specs:
        states.append(STAGES.build(spec)(states[-1], context))
        check(STAGES.build(spec), states[-2], states[-1])
    _, trained, frozen, pruned, masked, _, regrown, last = states
    assert all(torch.equal(masked.weights[name], trained.weights[name]) for name in frozen.frozen)
    assert pruned.mask == masked.mask and pruned.mask.sparsity > 0 and last.mask.sparsity == 0
    moved = [name for name in pruned.mask if not torch.equal(last.weights[name], regrown.weights[name])]
    assert len(moved) == len(pruned.mask)
