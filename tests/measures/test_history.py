from dataclasses import replace

import numpy as np
import pytest
import torch

from prunescope.measures import History
from prunescope.measures.history import curves, events, regrowth
from prunescope.pruning import State


def epoch(stage, number, **numbers):
    return {"stage": stage, "kind": "train", "epoch": number, "step": 9, "loss": 1.0, **numbers}


PRUNE, REGROW = {"stage": 2, "kind": "prune", "sparsity": 0.5}, {"stage": 4, "kind": "regrow", "sparsity": 0.0}
LIFE = [
    epoch(1, 0, **{"validation/accuracy": 0.5, "nonzero/w": 10, "grown/w": 0}),
    epoch(1, 1, **{"validation/accuracy": 0.9, "nonzero/w": 10, "grown/w": 0}),
    PRUNE,
    epoch(3, 0, **{"nonzero/w": 4, "grown/w": 0}),
    REGROW,
    epoch(5, 0, **{"validation/accuracy": 0.7, "nonzero/w": 7, "grown/w": 3, "grown_size/w": 0.25}),
    epoch(5, 1, **{"validation/accuracy": 0.8, "nonzero/w": 9, "grown/w": 5, "grown_size/w": 0.5}),
]


def test_curves_count_the_epochs_of_the_whole_life_and_leave_gaps_where_nothing_was_recorded():
    found = curves([LIFE])
    assert found["loss"].tolist() == [[1.0] * 5] and found["epoch/loss"].tolist() == [1, 2, 3, 4, 5]
    assert found["validation/accuracy"].tolist() == [[0.5, 0.9, 0.7, 0.8]]
    assert found["epoch/validation/accuracy"].tolist() == [1, 2, 4, 5]
    assert found["grown_size/w"].tolist() == [[0.25, 0.5]] and found["epoch/grown_size/w"].tolist() == [4, 5]
    assert not {"stage", "kind", "epoch", "step"} & set(found)


def test_networks_that_stopped_at_different_epochs_are_compared_where_both_are():
    found = curves([LIFE, LIFE[:1] + LIFE[3:]])
    assert found["epoch/loss"].tolist() == [1, 3, 4, 5] and found["loss"].shape == (2, 4)
    assert curves([[PRUNE], LIFE]) == {}


def test_stages_without_epochs_stand_between_the_epochs():
    assert {kind: times.tolist() for kind, times in events(LIFE).items()} == {"prune": [2.0], "regrow": [3.0]}
    assert events([]) == {}


def test_regrowth_is_that_of_the_training_after_the_last_regrow():
    found = regrowth(LIFE, {"w": 10})
    assert found["w"] == (6, 5, 0.5)
    again = [*LIFE, {"stage": 6, "kind": "prune"}, epoch(7, 0, **{"nonzero/w": 5, "grown/w": 0})]
    assert regrowth(again, {"w": 10}) == found
    assert regrowth(LIFE[:4], {"w": 10}) == {}
    assert regrowth(LIFE[:5], {"w": 10}) == {}  # lifted, not trained since
    assert regrowth([PRUNE, REGROW, LIFE[5]], {"w": 10}) == {}  # what was pruned is not known


@pytest.fixture
def shown(synthetic):
    """Two networks of one weight tensor with LIFE; the second one's ends are other numbers."""
    other = [entry | {"grown/w": 3, "validation/accuracy": 0.6} if entry is LIFE[-1] else entry for entry in LIFE]
    whole = synthetic.populations(networks=2)
    weights = [torch.tensor([1.0] * 9 + [0.0]), torch.tensor([0.5] * 8 + [0.0] * 2)]

    def living(subject, weight, history):
        net = torch.nn.Linear(10, 1, bias=False)
        net.weight.data = weight.view(1, 10)
        told = [{name.replace("/w", "/weight"): value for name, value in entry.items()} for entry in history]
        state = State.of(net, seed=subject.seed)
        return replace(subject, build=lambda: net, fetch_state=lambda: state, fetch_history=lambda: told)

    pruned = [living(*parts) for parts in zip(whole.pruned, weights, [LIFE, other], strict=True)]
    return replace(whole, pruned=tuple(pruned))


def test_a_hand_sized_example(shown):
    found = History()(shown)
    assert found["validation_accuracy"].value == pytest.approx(0.7)
    assert found["best_validation_accuracy"].value == pytest.approx(0.9)
    assert found["best_epoch"].value == 2
    assert found["zeros"].value == pytest.approx(0.15)
    assert (found["regrown"].value, found["regrown"].n) == (4, 6)
    assert found["regrown_share"].value == pytest.approx(4 / 6)
    assert found["regrown_size"].value == pytest.approx(0.5)
    assert found["relative_size"].value == pytest.approx((0.5 / 0.9 + 0.5 / 0.4) / 2)
    assert [value.item for value in found.values if value.quantity == "regrown"] == ["", "weight"]
    assert not any(value.quantity.startswith("train") for value in found.values)
    assert found.arrays["zeros/weight"].tolist() == pytest.approx(np.array([[0, 0, 0.6, 0.3, 0.1]] * 2))
    assert found.arrays["at/regrow"].tolist() == [3.0]


def test_the_share_of_zeros_is_counted_in_the_weights_not_taken_from_the_mask(shown):
    assert all(subject.state.mask.sparsity == 0 for subject in shown.pruned)
    assert History()(shown)["zeros"].value > 0


def test_networks_without_a_recorded_life_are_not_measured(shown):
    silent = replace(shown, pruned=tuple(replace(subject, fetch_history=tuple) for subject in shown.pruned))
    assert History()(silent).status == "not applicable"
    old = [{name: value for name, value in entry.items() if name not in ("stage", "kind")} for entry in LIFE]
    silent = replace(shown, pruned=tuple(replace(s, fetch_history=lambda: old) for s in shown.pruned))
    assert "before stages were numbered" in History()(silent).reason
