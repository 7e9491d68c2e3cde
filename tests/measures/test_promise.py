import math

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.measures import DEFAULT_BUDGET, Promise, parse_budget


def test_measures_are_judged_on_the_test_view_and_patterns_on_theirs():
    budget = {"accuracy": {"drop": 0.5, "worst_class_drop": 3}, "pie": {"rate": 0.01}, "corruption/*": {"drop": 2.0}}
    assert parse_budget(budget) == (
        Promise(measure="accuracy", quantity="drop", limit=0.5),
        Promise(measure="accuracy", quantity="worst_class_drop", limit=3),
        Promise(measure="pie", quantity="rate", limit=0.01),
        Promise(measure="accuracy", quantity="drop", limit=2, view="corruption/*"),
    )


def test_the_default_promise_is_half_a_point_of_accuracy():
    assert parse_budget({"accuracy": {"drop": 0.5}}) == DEFAULT_BUDGET


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"acuracy": {"drop": 1}}, "budget: unknown measure or view pattern 'acuracy'. did you mean 'accuracy'"),
        ({"accuracy": {"dorp": 1}}, "budget: accuracy: unknown quantity of accuracy 'dorp'. did you mean 'drop'"),
        ({"corruption/*": {"rate": 1}}, r"budget: corruption/\*: unknown quantity of accuracy 'rate'"),
        ({"compression": {"sparsity": 0.5}}, "without a better side"),
        (
            {"pie": {"rate": 1}, "accuracy": 0.5},
            "budget: accuracy: cannot be read; expected {quantity: limit}, got 0.5",
        ),
        ({"accuracy": {}}, "cannot be read"),
        ({}, "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_budget_that_means_nothing_is_refused(budget, told):
    with pytest.raises(PrunescopeError, match=told):
        parse_budget(budget)


@pytest.mark.parametrize("limit", [-0.1, 1.01, math.nan, math.inf, "0.5", None, True, [0.5]])
def test_a_limit_outside_the_range_of_its_quantity_is_refused(limit):
    with pytest.raises(
        PrunescopeError, match=r"budget: pie: rate: a limit out of range; expected a number from 0 to 1"
    ):
        parse_budget({"pie": {"rate": limit}})


@pytest.mark.parametrize("limit", [0, 1, 0.5])
def test_the_ends_of_the_range_are_limits_too(limit):
    assert parse_budget({"pie": {"rate": limit}})[0].limit == limit


def test_an_unbounded_quantity_takes_any_finite_limit():
    assert parse_budget({"agreement": {"flips": 1e9}})[0].limit == 1e9
    with pytest.raises(PrunescopeError, match="from 0 to inf"):
        parse_budget({"agreement": {"flips": -1}})


def test_hyphens_in_a_measures_name_are_underscores():
    assert parse_budget({"Accuracy".lower(): {"accuracy": 0.9}})[0].measure == "accuracy"
