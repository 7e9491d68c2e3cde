"""Same representation?: what is told of layers, metrics and floors, and what is left out."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from prunescope.measures import MEASURES
from prunescope.reporting.charts.theme import PAGE
from prunescope.reporting.place import key
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Cell
from prunescope.reporting.sections import SECTIONS, representation
from prunescope.reporting.similarities import NAMES, Similarities, merged
from tests.reporting.layered import (
    LAYERS,
    charts,
    notes,
    records,
    setting,
    spoken,
    study,
    tables,
    tell,
    without,
)


def test_the_quantities_read_are_those_the_measures_promise() -> None:
    for metric in NAMES:
        units = {name: quantity.unit for name, quantity in MEASURES.get(metric).card.quantities.items()}
        assert {units[name] for name in ("similarity", "separate", "untrained", "permuted", "mean")} == {"similarity"}
        assert units["features"] == units["dropped"] == "count"


def test_the_section_stands_before_the_cost_and_needs_its_numbers(reading: Reading) -> None:
    keys = [section.key for section in SECTIONS]
    assert keys.index("representation") < keys.index("cost")
    assert representation.tell(reading) is None
    assert "cka, nbs" in representation.SECTION.needs


def test_dense_networks_alone_tell_nothing() -> None:
    assert representation.tell(Reading(study(recipes=()))) is None


def test_the_sentence_names_the_layer_its_floor_and_the_disagreement() -> None:
    told = tell()
    rows = {r.item: r for r in Reading(study()).pruned("cka", "similarity", items=True) if r.level == "0.99"}
    least = min(rows.values(), key=lambda row: row.number)
    assert spoken(told).startswith(f"At 99 % sparsity imp changes {least.item} most: CKA {least.number:.3f} [")
    assert f"beside {least.floor:.3f} between two dense networks, so less than another seed does" in spoken(told)
    assert f"The metrics disagree most on {least.item}: " in spoken(told)
    assert "(CCA) to " in spoken(told)
    assert charts(told)["similarity-metrics"].statement.endswith(spoken(told).split("most on ")[1].rstrip("."))


@pytest.mark.parametrize(
    ("floor", "words"), [(0.2, "less than"), (0.99, "more than"), (0.94, "about as much as")], ids=lambda v: str(v)
)
def test_a_layer_is_measured_by_what_another_seed_changes(floor: float, words: str) -> None:
    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table["floor"].notna(), ["floor", "floor_low", "floor_high"]] = floor
        return table

    assert f"so {words} another seed does" in spoken(tell(edit=edit))


def test_metrics_that_name_another_layer_are_told() -> None:
    place = {"measure": "nbs", "quantity": "similarity", "level": "0.99", "item": "linear"}
    assert "; NBS names linear instead." in spoken(tell(edit=setting("value", 0.1, **place)))
    assert "instead" not in spoken(tell())


def test_one_seed_has_no_intervals_and_no_separate_floor() -> None:
    told = tell(seeds=1)
    assert "(one seed gives no second dense network to compare with)" in spoken(told)
    drawn = charts(told)
    assert {record["curve"] for record in records(drawn["similarity-layers"])} >= {"CKA untrained", "CKA permuted"}
    assert "two dense" not in json.dumps([c.specification(PAGE) for c in drawn.values()])
    assert "two dense" not in " ".join(c.note + c.statement for c in drawn.values())
    assert "0.9" in drawn["similarity-sparsity"].statement
    assert not any(part.interval or part.floor for line in tables(told)[0].groups[0].lines for part in line[1:])  # type: ignore[union-attr]


def test_one_metric_is_not_compared_with_others() -> None:
    told = tell(metrics=("pwcca",))
    assert "PWCCA" in spoken(told)
    assert "disagree" not in spoken(told)
    assert list(charts(told)) == ["similarity-layers", "similarity-sparsity", "similarity-map"]


def test_a_layer_without_a_value_is_a_gap_a_cell_and_a_note() -> None:
    told = tell(edit=without(measure="cca", level="0.99", item="conv3"))
    assert "No value at 99 % for conv3 (48 wide, 600 examples) by CCA." in notes(told)
    lines = tables(told)[0].groups[0].lines
    assert [line[0] for line in lines if Cell("no value") in line] == ["conv3"]
    gaps = [record for record in records(charts(told)["similarity-layers"]) if record["value"] is None]
    assert [(gap["choice"], gap["x"], gap["curve"]) for gap in gaps] == [(key("cca", "imp"), "conv3", "CCA 99\u00a0%")]
    assert "No value" not in notes(tell())


def test_a_layer_that_died_keeps_its_floors_from_lower_sparsities() -> None:
    seen = Similarities(Reading(study(edit=without(level="0.99", item="conv3"))))
    assert seen.layers == list(LAYERS)
    assert [row.level for row in seen.separate("cka", "imp") if row] == ["0.99", "0.99", "0.98", "0.99"]
    assert "conv3 (48 wide, 600 examples) by any metric" in notes(tell(edit=without(level="0.99", item="conv3")))


def test_where_the_leading_metric_fails_the_next_one_leads() -> None:
    told = tell(edit=without(measure="cka", level="0.99"))
    assert spoken(told).startswith("At 99 %")
    assert "most: NBS" in spoken(told)
    chart = charts(told)["similarity-layers"]
    assert chart.chosen == key("nbs", "imp")
    failed = next(choice for choice in chart.choices if choice.value == key("cka", "imp"))
    assert failed.title.replace("\u00a0", " ") == "CKA compares no layer of imp at 99 %"


def test_constant_units_and_widths_are_told() -> None:
    told = tell()
    assert "Constant units of the pruned networks, left out: 2.5 of 48 in conv3." in notes(told)
    line = tables(told)[0].groups[0].lines[2]
    assert (line[1], line[2]) == (Cell("48"), Cell("2.50"))
    assert "Constant" not in notes(tell(edit=setting("value", 0.0, quantity="dropped")))


def test_the_second_table_has_the_floors_that_need_no_second_seed() -> None:
    line = tables(tell())[1].groups[0].lines[0]
    assert line[:3] == ("conv1", Cell("0.900\u00a0/ 0.000"), Cell("0.900\u00a0/ 0.050"))


def test_layer_orders_merge_into_one_that_keeps_each() -> None:
    assert merged([["a", "b", "d"], ["b", "c", "d"], ["a", "d", "e"]]) == ["a", "b", "c", "d", "e"]
    assert merged([]) == []
