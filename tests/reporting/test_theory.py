"""Theory: what is told of students, their equations and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from prunescope.measures import MEASURES
from prunescope.measures.table import COLUMNS
from prunescope.reporting import Material
from prunescope.reporting.charts.theme import PAGE
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Figure, Table, Told
from prunescope.reporting.sections import theory
from prunescope.reporting.theory_charts import LEARNING, STUDENTS, joint, kept_rows

RECIPES = {"importance_edge": 0.3, "random_edge": 1.7, "random_node": 1.6}


def row(recipe: str, quantity: str, value: float, s: float, measure: str = STUDENTS, **other: Any) -> dict[str, Any]:
    place = {"study": "s", "recipe": recipe, "level": f"{s:g}" if s else "dense", "sparsity": s, "seeds": 4, "n": 40}
    empty = dict.fromkeys(COLUMNS) | {"item": "", "status": "measured", "unit": "½Δ²"}
    return empty | place | {"measure": measure, "quantity": quantity, "value": value} | other


def rows() -> list[dict[str, Any]]:
    found = [row("trained", name, value, 0, LEARNING) for name, value in (("error", 0.015), ("theory", 0.017))]
    found.append(row("trained", "deviation", 0.05, 0, LEARNING, low=0.03, high=0.07, floor=0.1))
    found += [row(name, "error", 0.02, 0) for name in ("trained", "dense")]
    found += [row(name, "kept", 1.0, 0) for name in ("trained", "dense")]
    for recipe, error in RECIPES.items():
        for s in (0.17, 0.5, 0.83):
            at = error * s * 2
            floor = 1.7 * s * 2
            found.append(row(recipe, "error", at, s, low=at - 0.1, high=at + 0.1, floor=floor))
            found.append(row(recipe, "kept", 1 - s + 0.002, s))
            forms = {"random edges": 1.6} if "edge" in recipe else {"best nodes": 1.5, "random nodes": 1.6}
            found += [row(recipe, "ideal", value * s * 2, s, item=item) for item, value in forms.items()]
    return found


def arrays() -> dict[tuple[str, str, str, str], dict[str, Any]]:
    block = {"q": np.kron(np.eye(2), np.ones((2, 2))), "r": -np.kron(np.eye(2), np.ones((2, 1))), "t": np.eye(2)}
    time = np.geomspace(0.1, 100, 5)
    curves = {"time": time, "seeds": np.arange(2), "errors": np.tile(1 / time, (2, 1)), "theory": np.zeros((2, 5))}
    return {
        ("trained", "dense", "", LEARNING): curves,
        ("dense", "dense", "", STUDENTS): block,
        ("random_edge", "0.5", "", STUDENTS): {name: 0.5 * part for name, part in block.items()},
    }


@pytest.fixture
def read() -> Reading:
    recipes = {name: name for name in ("trained", "dense", *RECIPES)}
    controls = frozenset({"random_edge", "random_node"})
    dense = dict.fromkeys(recipes, "dense")
    table = pd.DataFrame(rows(), columns=list(COLUMNS))
    return Reading(
        Material(title="t", recipes=recipes, controls=controls, dense_of=dense, table=table, arrays=arrays())
    )


@pytest.fixture
def told(read: Reading) -> Told:
    found = theory.tell(read)
    assert found is not None
    return found


def test_the_quantities_read_are_those_the_measures_promise() -> None:
    assert {*theory.COLUMNS, "ideal"} <= set(MEASURES.get(STUDENTS).card.quantities)
    assert {"error", "theory", "deviation"} <= set(MEASURES.get(LEARNING).card.quantities)


def test_without_students_there_is_nothing_to_tell(reading: Reading) -> None:
    assert theory.tell(reading) is None


def test_the_sentence_is_computed(told: Told) -> None:
    assert told.sentence.startswith("Students end learning at an error of 0.015")
    sentence = told.sentence.replace("\u00a0", " ")
    assert "the equations at 0.0170; with 49.8 % of the weights gone importance_edge loses least (0.300)" in sentence
    assert "random_edge most (1.70)" in told.sentence
    assert "5 of 6 intervals of random choices hold their expected error" in told.sentence


def test_three_charts_are_drawn(told: Told) -> None:
    charts = {part.chart.name: part.chart for part in told.parts if isinstance(part, Figure)}
    assert list(charts) == ["learning-curves", "theory-errors", "order-parameters"]
    for chart in charts.values():
        assert "<svg" in chart.figure_svg()
        assert chart.statement
    assert "0.0500 [0.0300, 0.0700] from the differential equations" in charts["learning-curves"].statement
    assert [c.label.replace("\u00a0", " ") for c in charts["order-parameters"].choices] == [
        "dense at 0 %",
        "random_edge at 50 %",
    ]
    assert "Q 0.5 on the diagonal, R 0.5" in charts["order-parameters"].choices[1].title


def test_closed_forms_are_drawn_once_where_the_weights_really_are(read: Reading, told: Told) -> None:
    chart = next(part.chart for part in told.parts if isinstance(part, Figure) and part.chart.name == "theory-errors")
    drawn = chart.specification(PAGE)["layer"][:3]
    assert [layer["data"]["values"][0]["name"] for layer in drawn] == ["random edges", "best nodes", "random nodes"]
    assert all(len(layer["data"]["values"]) == 3 for layer in drawn)
    assert {round(found.sparsity, 3) for found in kept_rows(read, "ideal")} == {0.168, 0.498, 0.828}


def test_the_table_tells_closed_forms_beside_errors(told: Told) -> None:
    table = next(part for part in told.parts if isinstance(part, Table))
    lines = {group.recipe: group.lines for group in table.groups}
    assert lines["random_node"][1][-1] == "1.6 (best 1.5)"
    assert lines["random_edge"][1][-1] == "1.6"
    assert lines["dense"][0][-1] == "none"


def test_overlaps_are_one_symmetric_map() -> None:
    whole, names = joint(arrays()["dense", "dense", "", STUDENTS])
    assert names == ["student 1", "student 2", "student 3", "student 4", "teacher 1", "teacher 2"]
    assert (whole == whole.T).all() and whole.min() == 0 and whole[0, 4] == 1
