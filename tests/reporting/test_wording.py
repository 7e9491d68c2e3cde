"""Numbers and lists as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.reporting import wording

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


@given(NUMBERS)
def test_a_written_number_reads_back_to_three_digits(value: float) -> None:
    text = wording.number(value)
    digits, _, exponent = text.replace("−", "-").replace(",", "").partition(" × 10")
    power = int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) if exponent else 0
    assert math.isclose(float(digits) * 10.0**power, value, rel_tol=5.1e-3, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.996, "10.0"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.05, "0.0500"),
        (999.6, "1,000"),
        (-12.34, "−12.3"),
        (1e-5, "1.00 × 10⁻⁵"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_a_value_that_rounds_to_zero_has_no_sign() -> None:
    assert wording.number(-0.004, places=2) == "0.00"


@pytest.mark.parametrize(
    ("value", "unit", "low", "high", "text"),
    [
        (0.9731, "share", 0.961, 0.98, "97.3 % [96.1, 98.0]"),
        (1.0, "share", 0.989, 1.0, "100.0 % [98.9, 100.0]"),
        (0.0, "points", -0.3, 0.3, "0.00 points [−0.30, 0.30]"),
        (-0.0625, "points", -0.309, 0.184, "−0.06 points [−0.31, 0.18]"),
        (12.0, "count", 7.0, 17.0, "12 [7, 17]"),
        (1234567.0, "count", None, None, "1,234,567"),
        (2.5, "ratio", None, None, "2.50×"),
        (0.4, "nats", 0.4, 0.4, "0.400 nats"),
    ],
)
def test_value_unit_and_interval(value: float, unit: str, low: float | None, high: float | None, text: str) -> None:
    assert wording.told(value, unit, low, high).replace(wording.SPACE, " ") == text


@given(st.lists(st.floats(0, 0.9999), min_size=2, max_size=2, unique_by=lambda s: round(math.log10(1 - s), 2)))
def test_sparsities_that_keep_different_amounts_are_told_apart(pair: list[float]) -> None:
    assert wording.sparsity(pair[0]) != wording.sparsity(pair[1])


def test_plain_numbers_drop_zeros_but_keep_whole_ones() -> None:
    assert [wording.plain(v) for v in (0.5, 100.0, 20.0, 3.10)] == ["0.5", "100", "20", "3.1"]


def test_lists_and_counts() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b"], "or") == "a or b"
    assert wording.counted(0, "class", "classes") == "0 classes"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.52, "0.52 s"), (60, "1 min"), (3599.9, "60 min"), (3660, "1 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert wording.duration(seconds).replace(wording.SPACE, " ") == text
