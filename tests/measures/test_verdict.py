import json
import math

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from prunescope.core.errors import PrunescopeError
from prunescope.measures import DEFAULT_BUDGET, Accuracy, Promise, Verdict, judge, parse_budget, tidy

DROP = parse_budget({"accuracy": {"drop": 0.5}})


def row(sparsity, value, low=None, high=None, **other):
    base = {
        "recipe": "imp",
        "level": f"{sparsity:g}",
        "sparsity": sparsity,
        "view": "test",
        "measure": "accuracy",
        "quantity": "drop",
        "item": "",
        "seed": None,
        "value": value,
        "low": low,
        "high": high,
        "unit": "points",
        "better": "lower",
        "status": "measured",
        "reason": "",
    }
    return base | other


def statuses(verdict, recipe="imp"):
    return [cell.status for cell in verdict[recipe].cells]


def test_the_four_outcomes_of_a_cell():
    rows = [row(0.5, 0.1, 0.0, 0.3), row(0.8, 0.4, 0.1, 0.7), row(0.9, 0.6, 0.4, 0.8), row(0.95, 2.0, 1.5, 2.5)]
    rows.append(row(0.99, None, quantity=None, status="failed", reason="out of memory"))
    found = judge(rows, DROP)
    assert statuses(found) == ["kept", "unsure", "unsure", "broken", "unmeasured"]
    assert [cell.within for cell in found["imp"].cells] == [True, True, False, False, False]
    verdict = found["imp"]
    assert (verdict.low, verdict.keeps, verdict.high) == (0.5, 0.8, 0.9)
    assert verdict.first_to_break.sparsity == 0.9
    assert verdict.unmeasured[0].reason == "out of memory"
    assert not found.kept


@pytest.mark.parametrize("slip", [0.0, 4e-16, -4e-16])
def test_equality_keeps_a_promise_also_after_rounding(slip):
    found = judge([row(0.9, 0.5 + slip, 0.3, 0.5 + slip)], DROP)
    assert statuses(found) == ["kept"]
    assert found["imp"].keeps == 0.9
    assert found.kept


def test_an_interval_that_only_touches_the_limit_from_beyond_is_unsure():
    assert statuses(judge([row(0.9, 0.7, 0.5, 0.9)], DROP)) == ["unsure"]
    assert statuses(judge([row(0.9, 0.7, 0.51, 0.9)], DROP)) == ["broken"]


def test_a_minimum_is_judged_from_the_other_side():
    promises = parse_budget({"agreement": {"agreement": 0.95}})
    same = {"measure": "agreement", "quantity": "agreement", "unit": "share", "better": "higher"}
    rows = [row(0.5, 0.99, 0.98, 1.0, **same), row(0.9, 0.95, 0.94, 0.96, **same), row(0.99, 0.6, 0.5, 0.7, **same)]
    found = judge(rows, promises)
    assert statuses(found) == ["kept", "unsure", "broken"]
    assert found["imp"].keeps == 0.9
    assert found["imp"].first_to_break.excess == pytest.approx(0.35)
    assert "agreement 60 % (limit 95 %)" in found.sentence("imp")


def test_a_promise_that_breaks_and_recovers_is_kept_only_up_to_the_break():
    rows = [row(0.2, 0.1), row(0.5, 0.9), row(0.8, 0.1)]
    assert judge(rows, DROP)["imp"].keeps == 0.2


def test_levels_are_ordered_by_sparsity_not_by_row_and_equal_sparsities_stand_together():
    rows = [row(0.9, 0.9, level="round 4"), row(0.5, 0.1, level="round 1"), row(0.9, 0.2, level="round 3")]
    verdict = judge(rows, DROP)["imp"]
    assert [cell.level for cell in verdict.cells] == ["round 1", "round 4", "round 3"]
    assert verdict.keeps == 0.5
    assert verdict.first_to_break.level == "round 4"


def test_nothing_kept_is_none_and_the_sentence_says_so():
    found = judge([row(0.5, 3.0, 2.0, 4.0), row(0.9, 9.0, 8.0, 10.0)], DROP)
    assert (found["imp"].keeps, found["imp"].low, found["imp"].high) == (None, None, None)
    assert found.sentence("imp") == (
        "imp breaks a promise already at 50 % sparsity. First to break: accuracy −3 points (limit 0.5)."
    )


def test_only_the_dense_level_kept_reads_as_broken_at_the_first():
    found = judge([row(0.0, 0.0, 0.0, 0.0, level="dense"), row(0.5, 3.0, 2.0, 4.0)], DROP)
    assert found["imp"].keeps == 0.0
    assert found.sentence("imp").startswith("imp breaks a promise already at 50 % sparsity.")


def test_the_sentence_names_the_worst_class_its_loss_and_the_limit():
    promises = parse_budget({"accuracy": {"drop": 0.5, "worst_class_drop": 3}})
    name = "Magnitude pruning with fine-tuning"
    rows = []
    for sparsity, worst, low, high in [
        (0.8, 1.0, 0.2, 2.0),
        (0.9, 2.0, 0.9, 3.4),
        (0.95, 3.14, 2.0, 4.0),
        (0.99, 9, 8, 10),
    ]:
        rows.append(row(sparsity, 0.1, 0.0, 0.2, recipe=name))
        rows.append(row(sparsity, worst, low, high, recipe=name, quantity="worst_class_drop"))
        rows += [row(sparsity, worst, recipe=name, item="8"), row(sparsity, 0.1, recipe=name, item="1")]
        rows.append(row(sparsity, 50.0, recipe=name, item="1", seed=3))
    found = judge(rows, promises)
    assert found[name].first_to_break.item == "8"
    assert found.sentence(name) == (
        "Magnitude pruning with fine-tuning keeps every promise up to 90 % sparsity (80–95 %). "
        "First to break: class 8, recall −3.14 points (limit 3)."
    )


def test_of_two_promises_broken_at_one_level_the_larger_relative_excess_comes_first():
    promises = parse_budget({"accuracy": {"drop": 0.5, "worst_class_drop": 3}})
    rows = [row(0.9, 1.5), row(0.9, 4.0, quantity="worst_class_drop")]
    assert judge(rows, promises)["imp"].first_to_break.promise.quantity == "drop"
    assert judge(rows[1:] + rows[:1], promises[::-1])["imp"].first_to_break.promise.quantity == "drop"
    nothing = parse_budget({"accuracy": {"drop": 0.5}, "agreement": {"flips": 0}})
    flips = row(0.9, 1.0, measure="agreement", quantity="flips", unit="count")
    assert judge([rows[0], flips], nothing)["imp"].first_to_break.promise.quantity == "flips"
    assert "agreement flips 1 (limit 0)" in judge([rows[0], flips], nothing).sentence("imp")


def test_a_pattern_is_judged_by_its_worst_view():
    promises = parse_budget({"corruption/*": {"drop": 2.0}})
    views = ["corruption/fog/3", "corruption/snow/3"]
    rows = [row(0.5, 0.1, view=views[0]), row(0.5, 1.0, view=views[1]), row(0.5, 9.0, view="test")]
    rows += [row(0.9, 1.0, 0.5, 1.5, view=views[0]), row(0.9, 2.4, 1.9, 2.9, view=views[1])]
    verdict = judge(rows, promises)["imp"]
    assert [(cell.view, cell.status, cell.value) for cell in verdict.cells] == [
        ("corruption/snow/3", "kept", 1.0),
        ("corruption/snow/3", "unsure", 2.4),
    ]
    assert verdict.keeps == 0.5
    assert "accuracy −2.4 points on corruption/snow/3 (limit 2)" in verdict.sentence()


def test_a_surely_broken_view_outranks_a_larger_but_unsure_one():
    promises = parse_budget({"corruption/*": {"drop": 2.0}})
    rows = [row(0.9, 3.0, 2.5, 3.5, view="corruption/a"), row(0.9, 4.0, 0.0, 8.0, view="corruption/b")]
    (cell,) = judge(rows, promises)["imp"].cells
    assert (cell.status, cell.view) == ("broken", "corruption/a")


def test_a_view_without_a_value_leaves_the_promise_unmeasured_never_kept():
    promises = parse_budget({"corruption/*": {"drop": 2.0}})
    rows = [row(s, 0.1, 0.0, 0.2, view=f"corruption/{name}") for s in (0.5, 0.9) for name in ("fog", "snow")]
    found = judge(rows[:-1], promises)
    assert statuses(found) == ["kept", "unmeasured"]
    assert (found["imp"].keeps, found["imp"].low, found["imp"].high) == (0.5, 0.5, 0.5)
    assert found["imp"].first_to_break is None
    assert found.sentence("imp") == (
        "imp keeps every promise up to 50 % sparsity. "
        "Not measured at 90 %: accuracy drop on corruption/* (no value on view corruption/snow)."
    )
    assert not found.kept


def test_a_view_known_only_from_another_recipe_is_missed_too():
    promises = parse_budget({"corruption/*": {"drop": 2.0}})
    found = judge([row(0.5, 0.1, view="corruption/fog"), row(0.5, 0.1, recipe="random")], promises)
    assert statuses(found) == ["kept"]
    assert statuses(found, "random") == ["unmeasured"]


def test_a_promise_on_a_view_that_does_not_exist_is_never_kept():
    found = judge([row(0.5, 0.1), row(0.9, 0.1)], parse_budget({"noise/*": {"drop": 1}}))
    assert statuses(found) == ["unmeasured", "unmeasured"]
    assert found["imp"].keeps is None
    assert not found.kept
    assert found.sentence("imp") == (
        "imp cannot be judged. Not measured at 50 %: accuracy drop on noise/* (no view matches 'noise/*')."
    )


def test_what_is_not_applicable_is_unmeasured_with_its_reason():
    promises = parse_budget({"accuracy": {"drop": 0.5}, "pie": {"rate": 0.01}})
    absent = row(0.5, None, measure="pie", quantity=None, status="not applicable", reason="PIE needs populations")
    found = judge([row(0.5, 0.1, 0.0, 0.2), absent], promises)
    assert statuses(found) == ["kept", "unmeasured"]
    assert "pie rate (PIE needs populations)" in found.sentence("imp")
    assert not found.kept


def test_the_break_after_an_unmeasured_level_is_told_but_no_keeping_is_claimed():
    rows = [row(0.5, None, quantity=None, status="failed", reason="killed"), row(0.9, 3.0)]
    assert judge(rows, DROP).sentence("imp") == (
        "imp cannot be judged. First to break: accuracy −3 points (limit 0.5). "
        "Not measured at 50 %: accuracy drop (killed)."
    )


def test_kept_to_the_end_is_said_and_a_gain_is_not_a_loss():
    found = judge([row(0.5, -0.1, -0.2, 0.0), row(0.9995, -0.3, -0.5, 0.1)], DROP)
    assert found.kept
    assert found.sentence("imp") == "imp keeps every promise up to 99.95 % sparsity, the highest level."


def test_values_that_are_certain_at_no_level_say_so():
    found = judge([row(0.5, 0.1, -2.0, 2.0)], DROP)
    assert "(certain at no level, possible up to 50 %)" in found.sentence("imp")


def test_rows_by_network_by_class_and_of_other_measures_are_not_the_promise():
    rows = [row(0.5, 0.1), row(0.5, 9.0, seed=1), row(0.5, 9.0, item="c1"), row(0.5, 9.0, measure="pie")]
    assert judge(rows, DROP)["imp"].keeps == 0.5


def test_rows_without_level_are_no_cells():
    whole = row(0.5, 0.1, level=None) | {"sparsity": None, "measure": "prune_potential"}
    found = judge([row(0.5, 0.1), whole], DROP)
    assert len(found["imp"].cells) == 1
    nothing = judge([whole], DROP)
    assert (nothing.recipes, nothing.kept) == ((), False)


@pytest.mark.parametrize("column", ["value", "low", "high", "seed", "sparsity"])
def test_nan_in_a_row_is_refused(column):
    with pytest.raises(PrunescopeError, match=f"{column}: a row is not finite.*None in a row, not NaN"):
        judge([row(0.5, 0.1), row(0.9, 0.1) | {column: math.nan}], DROP)


def test_a_level_of_two_sparsities_no_promise_and_no_direction_are_refused():
    with pytest.raises(PrunescopeError, match=r"imp, level a: a level has two sparsities; got 0.5 and 0.6"):
        judge([row(0.5, 0.1, level="a"), row(0.6, 0.1, level="a")], DROP)
    with pytest.raises(PrunescopeError, match="at least one promise"):
        judge([row(0.5, 0.1)], ())
    sparsity = Promise(measure="compression", quantity="sparsity", limit=0.5)
    with pytest.raises(PrunescopeError, match="without a better side"):
        judge([row(0.5, 0.5, measure="compression", quantity="sparsity", better="neither")], (sparsity,))
    with pytest.raises(PrunescopeError, match=r"unknown recipe 'imq'.*did you mean 'imp'"):
        judge([row(0.5, 0.1)], DROP).sentence("imq")


def test_a_verdict_is_plain_data_and_reads_back():
    found = judge([row(0.5, 0.1, 0.0, 0.2), row(0.9, 3.0, 2.0, 4.0)], DROP)
    assert Verdict.model_validate(json.loads(json.dumps(found.canonical(complete=True)))) == found


@given(st.lists(st.tuples(st.floats(-2, 3), st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=6))
def test_certain_keeping_never_exceeds_keeping_and_that_never_what_is_possible(values):
    rows = [row(0.1 * i, v, v - below, v + above) for i, (v, below, above) in enumerate(values)]
    verdict = judge(rows, DROP)["imp"]
    low, keeps, high = (-1 if s is None else s for s in (verdict.low, verdict.keeps, verdict.high))
    assert low <= keeps <= high
    good = [v <= 0.5 + 1e-9 for v, _, _ in values]
    expected = -1 if not good[0] else 0.1 * (good.index(False) - 1 if False in good else len(good) - 1)
    assert keeps == expected
    assert (verdict.first_to_break is None) == all(good)


def test_rows_of_a_real_measurement_and_of_a_frame(synthetic):
    rows = []
    for level, shown in (("dense", synthetic.populations(same=True)), ("0.5", synthetic.populations(noise=2.0))):
        place = {"recipe": "imp", "level": level, "sparsity": 0.0 if level == "dense" else 0.5, "view": "test"}
        rows += tidy("accuracy", Accuracy()(shown), **place, seeds=4)
    promises = parse_budget({"accuracy": {"drop": 0.5, "worst_class_drop": 3}})
    found = judge(rows, promises)
    assert statuses(found)[:2] == ["kept", "kept"]
    assert found["imp"].keeps == 0.0
    worst = next(cell for cell in found["imp"].cells if cell.sparsity and cell.item)
    by_class = [r["value"] for r in rows if r["quantity"] == "drop" and r["item"] and r["sparsity"]]
    assert worst.value == pytest.approx(max(by_class))
    frame = pd.DataFrame(rows).astype(object)
    assert judge(frame.where(frame.notna(), None).to_dict("records"), promises) == found


def test_the_default_budget_judges():
    assert judge([row(0.5, 0.4)], DEFAULT_BUDGET).kept


def test_a_promise_about_a_measure_of_weights_alone_needs_no_view():
    promise = parse_budget({"order_parameters": {"rise": 0.5}})
    told = {"measure": "order_parameters", "quantity": "rise", "view": None, "unit": "½Δ²"}
    rows = [row(0.5, 0.1, 0.0, 0.3, **told), row(0.9, 0.7, 0.6, 0.8, **told)]
    rows.append(row(0.95, None, **told | {"quantity": None, "reason": "no teacher"}))
    found = judge(rows, promise)
    assert statuses(found) == ["kept", "broken", "unmeasured"]
    assert found["imp"].unmeasured[0].reason == "no teacher"
    assert {cell.view for cell in found["imp"].cells} == {""}
    assert "rise" in found.sentence("imp") and " on " not in found.sentence("imp")
