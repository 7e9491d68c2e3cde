"""The promise strip follows the verdict."""

from collections.abc import Callable

import pandas as pd
import pytest

from prunescope.measures.promise import parse_budget
from prunescope.measures.verdict import Verdict, judge
from prunescope.reporting import promises
from prunescope.reporting.promises import Strip
from prunescope.reporting.reading import Reading

Change = Callable[..., Reading]
Levels = dict[float, tuple[float, float, float]]


def verdict_on(levels: Levels, *, limit: float = 0.5, measure: str = "accuracy", **more: object) -> Verdict:
    """Judge drops (value, low, high) by sparsity."""
    rows = [
        {
            "recipe": "imp", "level": str(s), "sparsity": s, "view": "test", "measure": "accuracy", "quantity": "drop",
            "value": value, "low": low, "high": high, "unit": "points", "better": "lower",
        }
        for s, (value, low, high) in levels.items()
    ]  # fmt: skip
    return judge(rows, parse_budget({measure: {"drop": limit}, **more}))


def sentence(levels: Levels, **more: object) -> str:
    return " ".join(promises.answer(verdict_on(levels, **more)["imp"])).replace("\u00a0", " ").replace("\u2060", "")


KEPT, UNSURE, BROKEN = (0.1, 0.0, 0.2), (0.4, 0.1, 0.7), (2.0, 1.5, 2.5)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({0.5: KEPT, 0.9: BROKEN}, "keeps every promise up to 50 % sparsity."),
        ({0.5: KEPT, 0.9: UNSURE, 0.95: BROKEN}, "keeps every promise up to 90 % sparsity (50–90 %)."),
        ({0.5: KEPT, 0.9: KEPT}, "keeps every promise up to 90 % sparsity, the highest level measured."),
        ({0.5: UNSURE, 0.9: BROKEN}, "up to 50 % sparsity (certain at no level, possible up to 50 %)."),
        ({0.5: BROKEN, 0.9: BROKEN}, "breaks a promise already at 50 % sparsity."),
        ({0.0: KEPT, 0.5: BROKEN}, "breaks a promise already at 50 % sparsity."),
        ({0.0: KEPT}, "keeps every promise with nothing pruned."),
        ({0.0: BROKEN}, "breaks a promise with nothing pruned."),
    ],
)
def test_the_answer_in_words(levels: Levels, words: str) -> None:
    assert words in sentence(levels)


def test_an_unmeasured_promise_is_no_answer() -> None:
    assert "cannot be judged" in sentence({0.5: KEPT}, pie={"rate": 0.1})


def test_the_strip_shows_every_promise_at_every_level(reading: Reading) -> None:
    strips = {strip.recipe: strip for strip in promises.strips(reading)}
    assert list(strips) == ["magnitude", "random"]
    strip = strips["magnitude"]
    assert strip.levels[-1] == "98\u00a0%"
    assert [row.promise for row in strip.rows][:3] == [promises.ALL, "accuracy drop", "worst class drop"]
    assert all(len(row.cells) == len(strip.levels) for row in strip.rows)
    assert strip.rows[3].limit == "≥\u00a097\u00a0%"
    assert strip.first == "accuracy −0.937\u00a0points at 95\u00a0%"


def test_the_row_above_is_the_worst_of_each_column(reading: Reading) -> None:
    for strip in promises.strips(reading):
        above, *rows = strip.rows
        for i, cell in enumerate(above.cells):
            column = [row.cells[i].status for row in rows]
            worst = next(status for status in promises.ORDER if status in column)
            assert cell.status == worst


def test_the_edge_stands_where_a_kept_promise_ends(reading: Reading) -> None:
    for row in (row for strip in promises.strips(reading) for row in strip.rows):
        for before, cell in zip(row.cells, row.cells[1:], strict=False):
            assert cell.edge == (before.status == "kept" and cell.status != "kept")


def one_strip(change: Change, verdict: Verdict) -> Strip:
    return promises.strip(change(lambda table: table.replace({"recipe": {"magnitude": "imp"}})), verdict["imp"])


def test_one_promise_needs_no_row_above(change: Change) -> None:
    strip = one_strip(change, verdict_on({0.5: KEPT, 0.9: BROKEN}))
    assert [row.promise for row in strip.rows] == ["accuracy drop"]
    assert [cell.status for cell in strip.rows[0].cells] == ["kept", "broken"]
    assert strip.rows[0].cells[1].told == "broken: 2.00\u00a0points [1.50, 2.50]; limit ≤\u00a00.5\u00a0points"


def test_an_unmeasured_cell_tells_its_reason(change: Change) -> None:
    strip = one_strip(change, verdict_on({0.5: KEPT}, pie={"rate": 0.1}))
    cell = strip.rows[-1].cells[0]
    assert (cell.status, cell.text) == ("unmeasured", "")
    assert cell.told.startswith("not measured: ")


def test_a_promise_on_another_view_says_so(change: Change) -> None:
    rows = pd.DataFrame(
        [{
            "recipe": "imp", "level": "0.5", "sparsity": 0.5, "view": "corruption/fog/3", "measure": "accuracy",
            "quantity": "drop", "value": 9.0, "low": 8.0, "high": 10.0, "unit": "points", "better": "lower",
        }]
    )  # fmt: skip
    strip = one_strip(change, judge(rows.to_dict("records"), parse_budget({"corruption/*": {"drop": 2.0}})))  # type: ignore[arg-type]
    assert strip.rows[0].promise == "accuracy drop on corruption/*"
    assert "on corruption/fog/3" in strip.first


def test_without_a_verdict_there_is_no_strip(change: Change) -> None:
    assert promises.strips(change(verdict=None)) == ()
