import pandas as pd
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.measures import COLUMNS, MEASURES, Accuracy, Measurement, Value, tidy

WHERE = {"study": "demo", "recipe": "imp", "level": "round 3", "sparsity": 0.9, "view": "test", "seeds": 4}


def test_one_row_for_each_value_with_all_columns_in_order(synthetic):
    measured = Accuracy()(synthetic.populations())
    rows = tidy("accuracy", measured, **WHERE)
    assert len(rows) == len(measured.values)
    for row, value in zip(rows, measured.values, strict=True):
        assert tuple(row) == COLUMNS
        assert {key: row[key] for key in WHERE} == WHERE
        assert {key: row[key] for key in vars(value)} == vars(value)
        quantity = MEASURES.get("accuracy").card.quantities[value.quantity]
        assert (row["unit"], row["better"]) == (quantity.unit, quantity.better)
        assert (row["measure"], row["status"], row["reason"]) == ("accuracy", "measured", "")


def test_what_is_not_applicable_is_one_row_with_its_reason_and_no_number():
    (row,) = tidy("pie", Measurement.not_applicable("one network"), **WHERE)
    assert (row["status"], row["reason"]) == ("not applicable", "one network")
    assert [row[c] for c in ("quantity", "value", "low", "high", "floor", "p", "n", "unit")] == [None] * 8
    assert tuple(row) == COLUMNS


def test_places_not_given_are_none_and_others_are_refused():
    value = Value(quantity="drop", value=0.5, n=9)
    (row,) = tidy("accuracy", Measurement(values=(value,)))
    assert row["study"] is row["seeds"] is None
    with pytest.raises(PrunescopeError, match=r"unknown column 'views'.*did you mean 'view'"):
        tidy("accuracy", Measurement(values=(value,)), views="test")
    with pytest.raises(PrunescopeError, match="did you mean 'accuracy'"):
        tidy("acuracy", Measurement(values=(value,)))


def test_rows_make_a_frame_and_survive_parquet(synthetic, tmp_path):
    rows = tidy("accuracy", Accuracy()(synthetic.populations()), **WHERE) + tidy(
        "pie", Measurement.not_applicable("one network"), **WHERE
    )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame.to_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), frame, check_dtype=False)


def test_a_quantity_that_the_card_does_not_know_is_refused():
    damaged = Measurement(values=(Value(quantity="multi0ly_adds", value=1.0, n=1),))
    with pytest.raises(PrunescopeError, match="did you mean 'multiply_adds'"):
        tidy("compression", damaged, **WHERE)
