import math

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.training.learning_rate import LEARNING_RATES


def factors(spec, steps, per_epoch=10, total=100):
    schedule = LEARNING_RATES.build(spec).schedule(per_epoch, total)
    return [schedule(step) for step in steps]


def test_a_warm_up_is_a_line_from_its_start():
    assert factors({"constant": {"warmup": "4it"}}, range(6)) == [0, 0.25, 0.5, 0.75, 1, 1]
    assert factors({"constant": {"warmup": "4it", "warmup_from": 0.2}}, range(6)) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1]
    )


def test_by_epoch_holds_the_factor_through_each_epoch_but_not_the_warm_up():
    plain = factors("cosine", range(0, 100, 10))
    assert factors({"cosine": {"by": "epoch"}}, range(100)) == [value for value in plain for _ in range(10)]
    held = factors({"cosine": {"by": "epoch", "warmup": "1ep"}}, [0, 5, 10, 15])
    assert held == pytest.approx([0, 0.5, plain[1], plain[1]])


def test_a_product_multiplies_and_agrees_with_both_schedulers_of_torch_stepped_by_epoch():
    """The linear head of the contrastive study: a staircase and a cosine at once, with the cosine's floor at 0."""
    import torch

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    both = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [60, 75, 90], 0.2),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=0.0),
    ]
    expected = []
    for _ in range(99):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in both:
            scheduler.step()
    spec = {"product": [{"steps": ["60ep", "75ep", "90ep"], "factor": 0.2}, "cosine"], "by": "epoch"}
    ours = factors(spec, range(0, 990, 10), total=1000)
    assert [0.1 * factor for factor in ours] == pytest.approx(expected, rel=1e-9)


def test_a_join_runs_each_part_through_its_own_length():
    spec = {"join": {"parts": ["constant", "cosine", {"polynomial": {"power": 1.0}}], "at": ["2ep", "6ep"]}}
    found = factors(spec, [0, 19, 20, 40, 60, 80, 99])
    assert found == pytest.approx([1, 1, 1, 0.5, 1, 0.5, 1 / 40])
    assert factors({"join": {"parts": [{"constant": {"warmup": "1ep"}}, "constant"], "at": ["2ep"]}}, [5, 25]) == [
        0.5,
        1,
    ]


def test_polynomial_and_cosine_end_at_their_floor():
    for name in ("polynomial", "cosine"):
        assert factors({name: {"floor": 1e-3}}, [0, 100, 200]) == pytest.approx([1, 1e-3, 1e-3])
    assert factors({"polynomial": {"power": 0.9}}, [50])[0] == pytest.approx(0.5**0.9)
    assert factors("cosine", [25])[0] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"steps": ["5ep", "3ep"]}, "boundaries of a schedule do not increase; got 5ep, 3ep"),
        ({"steps": ["5ep", "5ep"]}, "do not increase"),
        ({"steps": ["-5ep"]}, "not a duration"),
        ({"steps": {"at": ["5ep"], "factor": -0.1}}, "greater than 0"),
        ({"join": {"parts": ["constant", "cosine"], "at": []}}, "one boundary between neighbours; expected 1, got 0"),
        ({"join": {"parts": ["constant"] * 3, "at": ["5ep", "2ep"]}}, "do not increase"),
        ({"product": []}, "at least 1 item"),
        ({"cosine": {"floor": 2}}, "less than or equal to 1"),
        ({"cosine": {"by": "batch"}}, "step"),
        ({"cosine": {"warmup_from": -1}}, "greater than or equal to 0"),
        ({"cosin": {}}, "did you mean 'cosine'"),
    ],
)
def test_schedules_that_make_no_sense_are_refused_when_they_are_read(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        LEARNING_RATES.build(spec)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"steps": ["1ep", "3it"]}, "do not increase"),
        ({"constant": {"warmup": "101it"}}, "warm-up longer than training; expected ≤ 100 steps, got 101"),
        ({"join": {"parts": ["constant", "cosine"], "at": ["10ep"]}}, "leave no room; expected rising inside 1 … 99"),
        ({"join": {"parts": ["constant", "cosine"], "at": ["0it"]}}, "leave no room"),
        ({"join": {"parts": [{"constant": {"warmup": "3ep"}}, "cosine"], "at": ["2ep"]}}, "warm-up longer"),
        ({"join": {"parts": ["constant"] * 3, "at": ["1ep", "3it"]}}, "leave no room"),
    ],
)
def test_what_only_the_length_of_an_epoch_makes_wrong_is_refused_when_training_begins(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        factors(spec, [0])
