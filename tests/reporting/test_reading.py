"""The material is checked, and its rows are read in telling order."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.reporting import Gallery, Material
from prunescope.reporting.place import telling
from prunescope.reporting.reading import Reading

Change = Callable[..., Reading]


def test_a_table_without_a_column_is_refused(material: Material) -> None:
    with pytest.raises(PrunescopeError, match=r"lacks columns.*floor_low"):
        replace(material, table=material.table.drop(columns="floor_low"))


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((2, 1, 4, 4)), [0, 1], "cannot be shown"),
        (np.zeros((2, 4, 4, 4), np.uint8), [0, 1], "cannot be shown"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0], "differ in length"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 2], "no class name"),
    ],
)
def test_a_gallery_that_does_not_fit_is_refused(images: np.ndarray, labels: list[int], words: str) -> None:
    with pytest.raises(PrunescopeError, match=words):
        Gallery(view="test", images=images, labels=np.array(labels), classes=("a", "b"))


def test_missing_values_are_one(material: Material) -> None:
    table = material.table.convert_dtypes()
    assert table["floor"].isna().any()
    assert Reading(replace(material, table=table)).rows == Reading(material).rows


def test_an_infinite_number_is_no_number(change: Change) -> None:
    def broken(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[0, "value"] = np.inf
        return table

    assert change(broken).rows[0].value is None


def test_recipes_keep_their_order_and_controls_come_last(change: Change) -> None:
    assert change().recipes == ("magnitude", "random")
    assert change(controls=frozenset({"magnitude"})).recipes == ("random", "magnitude")
    assert change(recipes={"random": ""}).recipes == ("magnitude", "random")
    assert change(recipes={"random": ""}, controls=frozenset()).recipes == ("random", "magnitude")


def test_rows_of_the_whole_of_items_and_of_single_networks_are_kept_apart(reading: Reading) -> None:
    assert len(reading.pruned("accuracy", "accuracy")) == 12
    assert len(reading.pruned("accuracy", "accuracy", items=True)) == 120
    assert all(row.seed is None for row in reading.of("accuracy", "accuracy"))
    dense = reading.dense("accuracy", "accuracy")
    assert dense is not None
    assert dense.recipe == "dense"


def test_rows_of_another_view_are_not_told(change: Change) -> None:
    def moved(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table["level"] == "0.5", "view"] = "noise"
        return table

    assert {row.level for row in change(moved).pruned("accuracy", "drop")} == {"0.0", "0.8", "0.9", "0.95", "0.98"}
    assert len(change(moved, view="noise").pruned("accuracy", "drop")) == 2


def test_the_place_that_tells_most_is_where_the_first_promise_breaks(reading: Reading, change: Change) -> None:
    places = reading.places("accuracy", "drop")
    assert telling(reading, places) == ("magnitude", "0.95", 0.95)
    assert telling(reading, places, "random") == ("random", "0.5", 0.5)
    assert telling(change(verdict=None), places) == ("magnitude", "0.98", 0.98)
