"""What charts are made of: axes, labels, looks; and that they draw."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.reporting.charts.axis import Range, position
from prunescope.reporting.charts.chart import Chart, fluid, still, svg
from prunescope.reporting.charts.labels import spread
from prunescope.reporting.charts.palette import BROKEN, CONTROL, KEPT, RECIPES, styles
from prunescope.reporting.charts.theme import FIGURE, PAGE
from prunescope.reporting.page import charts_of, tell_sections
from prunescope.reporting.reading import Reading


@pytest.fixture(scope="module")
def charts(reading: Reading) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts_of(tell_sections(reading))}


def test_equal_steps_on_the_sparsity_axis_keep_equal_shares() -> None:
    steps = [position(s) for s in (0.0, 0.5, 0.75, 0.875)]
    assert steps == pytest.approx([k * math.log10(2) for k in range(4)])
    assert position(1.0) < 7


@given(st.floats(-40, 0), st.floats(0.1, 90), st.floats(0, 1), st.sampled_from([0.0, 100.0]))
def test_a_range_gives_back_the_value_of_a_share(low: float, high: float, share: float, ideal: float) -> None:
    span = Range(low, high, ideal)
    assert span.share(span.value(share)) == pytest.approx(share, abs=1e-6)


@given(st.lists(st.floats(0, 100), max_size=6), st.sampled_from([0.0, 100.0]))
def test_a_range_holds_all_values_and_the_ideal(values: list[float], ideal: float) -> None:
    span = Range.around(values, ideal)
    assert span.low < span.high
    assert all(span.holds(value) for value in [*values, ideal])
    assert span.high <= 100 or ideal == 0
    assert span.low >= 0 or ideal == 100


@given(st.lists(st.floats(-0.5, 1.5), max_size=8), st.floats(0.01, 0.2))
def test_labels_keep_apart_inside_and_in_order(places: list[float], gap: float) -> None:
    moved = spread(places, gap)
    fits = min(gap, 1 / max(1, len(places) - 1))
    ordered = sorted(moved)
    assert all(b - a >= fits - 1e-9 for a, b in pairwise(ordered))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in moved)
    assert all(moved[i] <= moved[j] for i, a in enumerate(places) for j, b in enumerate(places) if a < b)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])


def test_every_recipe_looks_different_and_no_colour_has_two_meanings() -> None:
    looks = styles([f"r{i}" for i in range(16)] + ["random"], {"random"})
    assert len(set(looks.values())) == 17
    assert looks["random"].color == CONTROL
    assert not {KEPT, BROKEN, CONTROL} & set(RECIPES)


def test_every_chart_states_something_and_describes_itself(charts: dict[str, Chart]) -> None:
    assert len(charts) >= 10
    for chart in charts.values():
        assert len(chart.statement.split()) > 4
        assert chart.description.endswith(".")
        assert not chart.choices or chart.chosen in {choice.value for choice in chart.choices}


def test_figures_are_one_column_wide_with_readable_black_type(charts: dict[str, Chart]) -> None:
    spec = charts["accuracy"].specification(FIGURE, titled=True)
    assert spec["width"] == 252
    assert spec["config"]["axis"]["labelFontSize"] >= 7
    assert spec["config"]["axis"]["labelColor"] == "#000000"
    assert " ".join(spec["title"]["text"]) == charts["accuracy"].statement
    assert 'width="252"' in svg(spec)
    assert "currentColor" not in svg(spec)


def test_on_the_page_charts_take_the_readers_ink(charts: dict[str, Chart]) -> None:
    spec = charts["accuracy"].specification(PAGE)
    drawn = still(spec)
    assert "currentColor" in drawn
    assert " id=" not in drawn  # many drawings share one page
    assert fluid(spec)["width"] == "container"


@pytest.mark.parametrize(
    ("high", "ticks"), [(0.8, [0, 0.1, 0.2, 0.5]), (3.0, [0, 0.5, 1, 2]), (60.0, [0, 1, 2, 5, 10, 20, 50])]
)
def test_a_short_range_has_finer_ticks(high: float, ticks: list[float]) -> None:
    assert Range(0.0, high).axis("drop").to_dict()["axis"]["values"] == ticks


def test_small_distances_from_the_ideal_take_as_much_room_as_large_ones() -> None:
    span = Range(0.0, 100.0, 100.0)
    assert 0.3 < span.share(95) < 0.7
    assert span.share(99) - span.share(98) > span.share(20) - span.share(0)
    assert span.share(100) == 1


def test_hostile_names_are_escaped_in_drawings(charts: dict[str, Chart], hostile: str) -> None:
    drawn = still(charts["classes"].specification(PAGE))
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert hostile not in drawn
