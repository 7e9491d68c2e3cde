import math
from dataclasses import replace
from itertools import pairwise

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import cubic_sparsity
from prunescope.pruning import CRITERIA, Magnitude, Random, State
from prunescope.training import STAGES, Gradual, parse_recipes
from prunescope.training.stages.gradual import cubic_budget, event_steps
from tests.training.conftest import small_net
from tests.training.test_loop import FIERCE, same

TRAIN = {"until": "6ep", "batch": 16, "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}}}


def spec(**changes):
    return {"gradual": {"train": TRAIN, "begin": "1ep", "end": "4ep", "every": "3it", "sparsity": 0.8} | changes}


def act(given, state, context):
    return STAGES.build(given)(state, context)


def followed(given, state, context):
    """Return the state after, and the state after each epoch."""
    seen = []
    watching = replace(context, callbacks=[lambda epoch: seen.append((epoch, epoch.state()))])
    return act(given, state, watching), seen


@pytest.mark.parametrize(
    ("begin", "end", "every", "count"), [(1000, 20000, 500, 39), (500, 10000, 250, 39), (2440, 4760, 62, 39)]
)
def test_the_published_schedules_have_39_events_and_the_last_target_is_the_final_one(begin, end, every, count):
    steps = event_steps(begin, end, every)
    assert len(steps) == count and steps[0] == begin and steps[-1] == end
    targets = [cubic_sparsity(step, begin, end, 0.9) for step in steps]
    assert targets[0] == 0 and targets[-1] == 0.9
    alive = 1.0
    for before, after in pairwise([0.0, *targets]):
        gamma = 1 - (1 - after) / (1 - before)  # share of the weights still alive that this event removes
        alive *= 1 - gamma
        assert alive == pytest.approx(1 - after)
    assert alive == pytest.approx(0.1)


def test_the_published_targets_have_the_shape_of_a_cubic():
    steps = event_steps(1000, 20000, 500)
    assert cubic_sparsity(steps[19], 1000, 20000, 0.9) == pytest.approx(0.9 * (1 - 0.5**3))
    drops = [cubic_sparsity(b, 1000, 20000, 0.9) - cubic_sparsity(a, 1000, 20000, 0.9) for a, b in pairwise(steps)]
    assert all(first > second > 0 for first, second in pairwise(drops))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4), kept=st.floats(0.3, 1), final=st.floats(0.7, 0.999),
    begin=st.integers(0, 50), length=st.integers(1, 300), every=st.integers(1, 100),
    scope=st.sampled_from(["global", "layer"]),
)  # fmt: skip
def test_survivors_fall_from_what_is_there_to_the_exact_count(sizes, kept, final, begin, length, every, scope):
    start = {str(i): (math.ceil(kept * n), n) for i, n in enumerate(sizes)}
    end = begin + length
    budgets = [cubic_budget(start, step, begin, end, final, scope) for step in event_steps(begin, end, every)]
    groups = {"": sum(sizes)} if scope == "global" else {name: n for name, (_, n) in start.items()}
    alive = {"": sum(k for k, _ in start.values())} if scope == "global" else {n: k for n, (k, _) in start.items()}
    for name, n in groups.items():
        counts = [budget.counts[name] for budget in budgets]
        assert counts[0] == alive[name]
        assert counts[-1] == n - round(final * n)
        assert all(a >= b for a, b in pairwise(counts))


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_final_sparsity_is_exact_and_the_way_there_follows_the_schedule(scope, state, context):
    after, seen = followed(spec(scope=scope), state, context)
    if scope == "layer":
        assert after.mask.counts() == {name: (n - round(0.8 * n), n) for name, (_, n) in state.mask.counts().items()}
    assert after.mask.total - after.mask.kept == (29 + 38 if scope == "layer" else round(0.8 * 84))
    for epoch, reached in seen:
        assert epoch.sparsity == reached.mask.sparsity
        event = max((step for step in event_steps(4, 16, 3) if step < epoch.step), default=0)
        target = cubic_sparsity(event, 4, 16, 0.8) if event else 0.0
        assert reached.mask.sparsity == pytest.approx(target, abs=2 / 84)
    assert (after.step, dict(after.optimizer)) == (0, {})


def test_masks_shrink_and_pruned_weights_and_slots_are_zero_all_the_way(state, context):
    for name, options in FIERCE.items():
        train = {**TRAIN, "optimizer": {name: options}}
        _, seen = followed(spec(train=train, every="1it"), state, context)
        masks = [state.mask, *(reached.mask for _, reached in seen)]
        assert all(later.within(earlier) for earlier, later in pairwise(masks))
        for _, reached in seen:
            for parameter, kept in reached.mask.items():
                assert not reached.weights[parameter][~kept].view(torch.int32).any()
                slots = [s for key, s in reached.optimizer.items() if key.rpartition("/")[0] == parameter]
                assert not any(slot[~kept].any() for slot in slots if slot.shape == kept.shape)


@pytest.mark.parametrize("changes", [{}, {"every": "1ep"}, {"scope": "global", "end": "6ep"}, {"criterion": "random"}])
def test_interrupted_after_any_epoch_equals_uninterrupted_bit_for_bit(changes, state, context):
    whole, seen = followed(spec(**changes), state, context)
    assert len(seen) == 6
    for _, partial in seen:
        resumed = act(spec(**changes), state, replace(context, resume=partial))
        assert same(resumed.weights, whole.weights) and resumed.mask == whole.mask


def test_what_a_criterion_draws_differs_between_networks_and_between_events(state, context):
    drawn = spec(criterion="random", train={**TRAIN, "optimizer": {"sgd": {"lr": 1e-6}}})
    first, again, other = (act(drawn, replace(state, seed=seed), context).mask for seed in (1, 1, 2))
    assert first == again != other
    seeds = []

    class Noting(Random):
        def __call__(self, net, mask, budget, evidence):
            seeds.append(evidence.seed)
            return super().__call__(net, mask, budget, evidence)

    Gradual.model_construct(**{**dict(STAGES.build(drawn)), "criterion": Noting()})(state, context)
    assert len(set(seeds)) == len(seeds) == 5


def test_an_event_at_the_end_of_training_is_the_last_act(state, context):
    after, seen = followed(spec(begin="0it", end="6ep", every="6ep"), state, context)
    assert seen[-1][1].mask.sparsity == 0
    assert after.mask.counts() == {"0.weight": (7, 36), "5.weight": (10, 48)}
    plain = act({"train": TRAIN}, state, context)
    assert all(torch.equal(after.weights[n], plain.weights[n] * after.mask.get(n, 1)) for n in plain.weights)


def test_before_the_first_target_above_zero_it_is_plain_training(state, context):
    _, seen = followed(spec(begin="2ep"), state, context)
    plain = []
    act({"train": TRAIN}, state, replace(context, callbacks=[lambda epoch: plain.append(epoch.state())]))
    assert same(seen[1][1].weights, plain[1].weights)
    assert not same(seen[2][1].weights, plain[2].weights)


def test_it_goes_on_from_a_pruned_state(state, context):
    half = act({"prune": {"criterion": "magnitude", "sparsity": 0.5}}, state, context)
    after, seen = followed(spec(scope="global"), half, context)
    assert seen[0][1].mask == half.mask
    assert after.mask.within(half.mask) and after.mask.kept == 84 - round(0.8 * 84)
    with pytest.raises(PrunescopeError, match="more is pruned already"):
        act(spec(scope="global", sparsity=0.4), half, context)


def test_frozen_and_ignored_layers_are_left_alone(state, context):
    frozen = act({"freeze": {"names": ["0"]}}, state, context)
    assert act(spec(), frozen, context).mask.counts() == {"0.weight": (36, 36), "5.weight": (10, 48)}
    assert act(spec(ignore=["5"]), state, context).mask.counts() == {"0.weight": (7, 36), "5.weight": (48, 48)}


def test_levels_of_a_recipe_give_the_final_sparsity():
    open_amount = {name: value for name, value in spec()["gradual"].items() if name != "sparsity"}
    recipe = parse_recipes({"gmp": {"levels": [0.3, 0.9], "stages": [{"gradual": open_amount}]}}, "study.yaml")["gmp"]
    assert recipe.prunes
    assert [(level.sparsity, level.stages[0].sparsity) for level in recipe.expand()] == [(0.3, 0.3), (0.9, 0.9)]
    fixed = parse_recipes({"gmp": [spec()]}, "study.yaml")["gmp"]
    assert [level.sparsity for level in fixed.expand()] == [0.8]


def test_a_network_that_looks_at_data_to_choose_is_left_in_training_mode_with_its_statistics(state, context, data):
    """A criterion that runs the network inside training must not disturb it."""
    seen = []

    class Looking(Magnitude):
        def __call__(self, net, mask, budget, evidence):
            seen.append(net.training)
            net(context.normalization(data.images))
            torch.rand(3)
            return super().__call__(net, mask, budget, evidence)

    plain = STAGES.build(spec())
    looking = Gradual.model_construct(**{**dict(plain), "criterion": Looking()})
    assert same(looking(state, context).weights, plain(state, context).weights)
    assert seen == [False] * 5


NODES = [name for name in CRITERIA.names() if CRITERIA.get(name).unit == "node" and not CRITERIA.get(name).needs_data]


@pytest.mark.parametrize("criterion", NODES)
def test_nodes_are_counted_in_nodes(criterion, context):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    state, own = State.of(net, seed=0), replace(context, build=lambda: net)
    after = act(spec(criterion=criterion, sparsity=0.5), state, own)
    assert int(after.mask["1.weight"].any(1).sum()) == 6
    pruned = act({"prune": {"criterion": criterion, "sparsity": 0.25}}, state, own)
    assert int(pruned.mask["1.weight"].any(1).sum()) == 9
    again = act({"prune": {"criterion": criterion, "remove": 0.25, "of": "total"}}, pruned, own)
    assert int(again.mask["1.weight"].any(1).sum()) == 6


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"begin": "4ep"}, "gradual pruning needs begin < end; got begin 4ep, end 4ep"),
        ({"begin": "5ep"}, "begin < end"),
        ({"end": "7ep"}, "ends after its training; expected end ≤ 6ep, got 7ep"),
        ({"every": "0it"}, "events need a distance"),
        ({"every": "-5it"}, "not a duration"),
        ({"sparsity": 1.0}, "less than 1"),
        ({"sparsity": -0.1}, "greater than or equal to 0"),
        ({"train": {**TRAIN, "stop": "3ep"}}, "runs its whole training"),
        ({"train": {**TRAIN, "goal": 0.9}}, "runs its whole training"),
        ({"train": {"until": "soon"}}, "not a duration"),
        ({"sparsty": 0.5}, "did you mean 'sparsity'"),
    ],
)
def test_contradictory_schedules_are_refused_when_they_are_read(changes, told):
    with pytest.raises(PrunescopeError, match=told):
        STAGES.build(spec(**changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"begin": "17it"}, "begin < end; got begin 17, end 16"),
        ({"end": "25it"}, "expected end ≤ 24, got 25"),
        ({"sparsity": None}, "gradual needs an amount"),
        ({"ignore": ["lineal"]}, "gradual.ignore: unknown layer"),
    ],
)
def test_what_only_the_length_of_an_epoch_makes_wrong_is_refused_before_the_first_step(changes, told, state, context):
    with pytest.raises(PrunescopeError, match=told):
        act(spec(**changes), state, context)


def test_small_net_has_four_steps_an_epoch(context):
    assert STAGES.build({"train": TRAIN}).feed(context).per_epoch == 4 and small_net()
