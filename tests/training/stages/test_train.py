from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import stratified_subset
from prunescope.training import STAGES
from prunescope.training.evaluation import evaluate, weight_counts
from tests.training.conftest import small_net
from tests.training.test_loop import same

TRAIN = {"until": "5ep", "batch": 16, "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}}}


def act(spec, state, context):
    return STAGES.build(spec)(state, context)


def run(state, context, **changes):
    """Return the state after training and what the callbacks saw."""
    seen = []
    watching = replace(context, callbacks=[lambda epoch: seen.append((epoch, epoch.state()))])
    return act({"train": TRAIN | changes}, state, watching), seen


def test_measuring_every_epoch_changes_no_bit_of_the_result_nor_of_the_ambient_randomness(state, context):
    plain, _ = run(state, context)
    before = torch.get_rng_state()
    watched, seen = run(state, context, track=["train", "validation", "weights"])
    assert same(watched.weights, plain.weights) and same(watched.optimizer, plain.optimizer)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(seen) == 5


def test_measuring_leaves_frozen_statistics_alone(state, context):
    frozen = act({"freeze": 0.45}, state, context)
    plain, _ = run(frozen, context)
    watched, _ = run(frozen, context, track=["train"])
    assert same(watched.weights, plain.weights)
    assert all(torch.equal(watched.weights[name], state.weights[name]) for name in frozen.frozen)


def test_what_is_tracked_is_what_the_state_of_that_epoch_gives(state, context, data):
    _, seen = run(state, context, track=["train", "validation"])
    for epoch, reached in seen:
        expected = evaluate(reached.load_into(small_net()).eval(), data, context.normalization)
        assert epoch.measured == {f"{split}/{k}": v for split in ("train", "validation") for k, v in expected.items()}
    first, last = seen[0][0].measured, seen[-1][0].measured
    assert last["train/cross_entropy"] < first["train/cross_entropy"]


def test_fewer_images_can_be_tracked_each_class_by_its_share(state, context, data):
    _, seen = run(state, context, track=["train"], track_images=20)
    _, whole = run(state, context, track=["train"], track_images=500)
    chosen = torch.from_numpy(stratified_subset(data.labels.numpy(), 20, seed=0))
    expected = evaluate(seen[-1][1].load_into(small_net()).eval(), data.take(chosen), context.normalization)
    assert seen[-1][0].measured == {f"train/{name}": value for name, value in expected.items()}
    assert whole[-1][0].measured != seen[-1][0].measured
    assert same(whole[-1][1].weights, seen[-1][1].weights)


def test_the_plain_numbers_are_cross_entropy_and_accuracy(state, context, data):
    net = state.load_into(small_net()).eval()
    logits = net(context.normalization(data.images))
    found = evaluate(net, data, context.normalization)
    assert found["cross_entropy"] == pytest.approx(torch.nn.functional.cross_entropy(logits, data.labels).item())
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == data.labels).double().mean().item())


def test_growth_of_weights_is_counted_from_the_start_of_the_stage(state, context):
    pruned = act({"prune": {"criterion": "magnitude", "sparsity": 0.5}}, state, context)
    masked, seen = run(pruned, context, track=["weights"])
    kept = {name: count for name, (count, _) in pruned.mask.counts().items()}
    for epoch, _ in seen:
        assert {f"nonzero/{name}": count for name, count in kept.items()}.items() <= epoch.measured.items()
        assert not any(value for name, value in epoch.measured.items() if name.startswith("grown/"))
        assert not any(name.startswith("grown_size") for name in epoch.measured)
    start = act("regrow", masked, context)
    after, seen = run(start, context, track=["weights"])
    for name, (count, total) in pruned.mask.counts().items():
        last = seen[-1][0].measured
        grown = after.weights[name][~pruned.mask[name]]
        assert last[f"nonzero/{name}"] == int(after.weights[name].count_nonzero()) > count
        assert 0 < last[f"grown/{name}"] == int(grown.count_nonzero()) <= total - count
        assert last[f"grown_size/{name}"] == pytest.approx(float(grown[grown != 0].abs().mean()))
    assert weight_counts(start.load_into(small_net()), start)["grown/0.weight"] == 0


def test_tracked_training_resumes_with_the_same_numbers(state, context):
    whole, seen = run(state, context, track=["train", "weights"])
    for index, (_, partial) in enumerate(seen[:-1]):
        resumed, rest = run(state, replace(context, resume=partial), track=["train", "weights"])
        assert same(resumed.weights, whole.weights)
        assert [e.measured for e, _ in rest] == [e.measured for e, _ in seen[index + 1 :]]


def test_tracking_a_split_without_images_is_refused(state, context, data):
    empty = replace(context, split=lambda name: data.take(torch.arange(0 if name == "validation" else 50)))
    with pytest.raises(PrunescopeError, match=r"no images to look at.*validation share"):
        run(state, empty, track=["validation"])


def test_a_goal_ends_training_before_the_first_epoch_that_is_not_needed(state, context, data):
    _, seen = run(state, context, track=["train"])
    accuracies = [epoch.measured["train/accuracy"] for epoch, _ in seen]
    goal = accuracies[2]
    needed = next(i for i, accuracy in enumerate(accuracies) if accuracy >= goal) + 1
    after, shorter = run(state, context, goal=goal)
    assert len(shorter) == needed < 5
    assert same(after.weights, seen[needed - 1][1].weights)
    assert (after.step, dict(after.optimizer)) == (0, {})
    for _, partial in shorter:
        assert same(run(state, replace(context, resume=partial), goal=goal)[0].weights, after.weights)
    already, none = run(after, context, goal=goal)
    assert not none and same(already.weights, after.weights)


def test_clipping_bounds_the_step_of_sgd(state, context):
    plain = {"until": "1it", "batch": 50, "optimizer": {"sgd": {"lr": 1.0}}}

    def moved(**changes):
        after = act({"train": plain | changes}, state, context)
        names = dict(small_net().named_parameters())
        return torch.cat([(after.weights[n] - state.weights[n]).flatten() for n in names]).norm().item()

    whole = moved()
    assert moved(clip=whole / 2) == pytest.approx(whole / 2, rel=1e-3)
    assert moved(clip=2 * whole) == pytest.approx(whole, rel=1e-6)


def test_without_shuffling_training_sees_the_data_in_order_and_ends_elsewhere(state, context):
    ordered, _ = run(state, context, shuffle=False)
    assert not same(ordered.weights, run(state, context)[0].weights)
    assert same(ordered.weights, run(state, context, shuffle=False)[0].weights)


def test_an_objective_of_two_views_sees_both(state, context):
    flipped = {"until": "2ep", "batch": 16, "objective": "supcon", "augment": ["flip"]}
    stage = STAGES.build({"train": flipped})
    assert stage.feed(context).views == 2
    assert not same(stage(state, context).weights, state.weights)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr": {"constant": {"warmup": "6ep"}}}, "warm-up longer than training; expected ≤ 5ep, got 6ep"),
        ({"stop": "5ep1it"}, "training cannot reach its end; expected stop ≤ 5ep, got 5ep1it"),
        ({"goal": 0}, "greater than 0"),
        ({"goal": 1.1}, "less than or equal to 1"),
        ({"clip": 0}, "greater than 0"),
        ({"precision": "float16"}, "bfloat16"),
        ({"track": ["test"]}, "train"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"until": "-3ep"}, "not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_read(changes, told):
    with pytest.raises(PrunescopeError, match=told):
        STAGES.build({"train": TRAIN | changes})


def test_losses_of_neighbouring_epochs_are_those_of_training(state, context):
    _, seen = run(state, context)
    assert all(later.step - earlier.step == 4 for (earlier, _), (later, _) in pairwise(seen))
    assert all(epoch.sparsity == 0 for epoch, _ in seen)
