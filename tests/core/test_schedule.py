import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from prunescope.core import schedule
from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import Duration


@given(st.integers(0, 1000), st.integers(0, 10_000))
def test_a_duration_reads_back_what_it_writes(epochs, iterations):
    duration = Duration(epochs=epochs, iterations=iterations)
    assert Duration.parse(str(duration)) == duration
    assert duration.steps(per_epoch=7) == 7 * epochs + iterations


@pytest.mark.parametrize("text", ["", "ep", "15", "1.5ep", "-3ep", "3it2ep", 15, None])
def test_other_spellings_of_a_duration_are_refused(text):
    with pytest.raises(PrunescopeError, match="not a duration"):
        Duration.parse(text)


def test_piecewise_counts_the_boundaries_passed():
    factor = schedule.piecewise([3, 5], 0.5)
    assert [factor(t) for t in range(7)] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_cosine_and_polynomial_have_their_known_points_and_hold_their_end():
    assert schedule.cosine(10)(0) == 1
    assert math.isclose(schedule.cosine(10)(5), 0.5)
    assert schedule.cosine(10, floor=0.1)(99) == pytest.approx(0.1)
    assert schedule.polynomial(10, power=2)(5) == 0.25
    assert schedule.polynomial(10, floor=0.2)(50) == pytest.approx(0.2)


def test_warmup_rises_linearly_and_then_leaves_the_schedule_alone():
    factor = schedule.warmup(schedule.constant(2.0), 4)
    assert [factor(t) for t in (0, 2, 4, 9)] == [0, 1, 2, 2]
    assert schedule.warmup(schedule.constant(), 0)(0) == 1


def test_join_restarts_the_clock_of_each_part():
    factor = schedule.join([schedule.polynomial(4), schedule.polynomial(2)], [4])
    assert [factor(t) for t in (0, 2, 4, 5)] == [1, 0.5, 1, 0.5]


def test_cubic_sparsity_follows_its_formula_and_is_clamped():
    assert schedule.cubic_sparsity(0, 10, 20, 0.8) == 0
    assert schedule.cubic_sparsity(15, 10, 20, 0.8) == pytest.approx(0.8 * (1 - 0.125))
    assert schedule.cubic_sparsity(99, 10, 20, 0.8) == 0.8


def test_gradual_pruning_events_multiply_to_the_target():
    targets = [schedule.cubic_sparsity(t, 1000, 20000, 0.9) for t in range(1000, 20001, 500)]
    assert len(targets) == 39
    alive = 1.0
    for before, after in zip([0.0, *targets], targets, strict=False):
        alive *= 1 - (1 - (1 - after) / (1 - before))
    assert alive == pytest.approx(0.1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: schedule.piecewise([5, 3], 0.1),
        lambda: schedule.piecewise([-1], 0.1),
        lambda: schedule.cosine(0),
        lambda: schedule.polynomial(-2),
        lambda: schedule.warmup(schedule.constant(), -1),
        lambda: schedule.join([schedule.constant()], [3]),
        lambda: schedule.cubic_sparsity(0, 5, 5, 0.9),
    ],
)
def test_contradictory_schedules_are_refused(call):
    with pytest.raises(PrunescopeError):
        call()
