import math

import numpy as np
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Measurement, Value


@pytest.mark.parametrize("column", ["value", "low", "high", "floor", "floor_low", "floor_high", "p"])
@pytest.mark.parametrize("number", [math.nan, math.inf, np.float32("nan")])
def test_no_number_of_a_value_is_nan_or_infinite(column, number):
    with pytest.raises(PrunescopeError, match=f"drop.{column} is not a finite number"):
        Value(quantity="drop", n=3, **{"value": 0.0, column: number})


def test_interval_and_floor_are_scaled_and_the_value_is_not():
    value = Value.of("flips", 7.0, 50, interval=(0.1, 0.2), floor=(0.3, 0.2, 0.4), scale=50, item="c", seed=2, p=0.5)
    assert (value.value, value.low, value.high) == (7.0, 5.0, 10.0)
    assert (value.floor, value.floor_low, value.floor_high) == (15.0, 10.0, 20.0)
    assert (value.item, value.seed, value.p) == ("c", 2, 0.5)
    assert Value.of("flips", 7.0, 50) == Value(quantity="flips", value=7.0, n=50)


def test_a_measurement_is_asked_for_the_value_of_the_whole():
    whole = Value(quantity="drop", value=1.0, n=3)
    found = Measurement(values=(Value(quantity="drop", value=2.0, n=3, seed=0), whole))
    assert found["drop"] is whole
    with pytest.raises(PrunescopeError, match="no value 'flips'"):
        found["flips"]


def test_not_applicable_holds_a_reason_and_no_value():
    found = Measurement.not_applicable("one network")
    assert (found.status, found.reason, found.values) == ("not applicable", "one network", ())
