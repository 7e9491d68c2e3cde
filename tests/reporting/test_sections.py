"""Sections: sentences follow from the numbers, and what has no numbers is left out."""

from collections.abc import Callable

import pandas as pd
import pytest

from prunescope.measures import MEASURES
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Cell, Figure, Note, Table, Told, Wall, cell
from prunescope.reporting.sections import SECTIONS, accuracy, agreement, calibration, classes, cost, forgotten

Change = Callable[..., Reading]


def at(table: pd.DataFrame, measure: str, quantity: str, recipe: str = "magnitude") -> pd.Series:
    same = (table["measure"] == measure) & (table["quantity"] == quantity) & (table["recipe"] == recipe)
    return same & table["item"].eq("") & table["seed"].isna()


def set_to(
    measure: str, quantity: str, value: float, half: float, recipe: str = "magnitude"
) -> Callable[..., pd.DataFrame]:
    """Return a function that sets value and interval of one quantity at every level."""

    def changed(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[at(table, measure, quantity, recipe), ["value", "low", "high"]] = [value, value - half, value + half]
        return table

    return changed


def spoken(told: Told | None) -> str:
    assert told is not None
    return told.sentence.replace("\u00a0", " ")


def part(told: Told, kind: type) -> list[object]:
    return [item for item in told.parts if isinstance(item, kind)]


def test_the_quantities_read_are_those_the_measures_promise(quantities: dict[tuple[str, str], tuple[str, str]]) -> None:
    for (measure, quantity), (unit, better) in quantities.items():
        card = MEASURES.get(measure).card.quantities[quantity]
        assert (card.unit, card.better) == (unit, better), (measure, quantity)


def test_every_section_tells_a_sentence_and_pictures(told: dict[str, Told]) -> None:
    assert list(told) == [section.key for section in SECTIONS if section.key in told]
    assert {"accuracy", "classes", "forgotten", "function", "calibration", "cost"} <= set(told)
    for content in told.values():
        assert content.sentence[0].isupper()
        assert content.sentence.endswith(".")
        assert part(content, Figure)
        assert part(content, Table)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
def test_a_section_without_its_numbers_is_left_out(section: object, change: Change) -> None:
    assert section.tell(change(lambda table: table[table["measure"] == "cca"])) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "half", "words"),
    [
        (
            0.1,
            0.05,
            "With magnitude accuracy stays within 0.5 points of dense up to 98 %, the highest sparsity measured",
        ),
        (0.4, 0.5, "is at no sparsity certain to stay within 0.5 points of dense"),
        (3.0, 0.5, "falls further than 0.5 points below dense already at 0 %"),
    ],
)
def test_accuracy_says_how_far_it_holds(change: Change, value: float, half: float, words: str) -> None:
    assert words in spoken(accuracy.tell(change(set_to("accuracy", "drop", value, half))))


def test_accuracy_names_the_last_certain_and_the_first_broken_level(reading: Reading) -> None:
    told = spoken(accuracy.tell(reading))
    assert "stays within 0.5 points of dense up to 80 % sparsity and certainly falls further from 95 %" in told
    assert "with random it falls further than 0.5 points below dense already at 50 %" in told


def test_accuracy_takes_the_limit_from_the_budget_or_half_a_point(change: Change, reading: Reading) -> None:
    assert accuracy.limit_of(reading) == 0.5
    assert accuracy.limit_of(change(verdict=None)) == accuracy.TOLERANCE


def test_of_many_recipes_the_best_and_the_worst_are_told(change: Change) -> None:
    def more(table: pd.DataFrame) -> pd.DataFrame:
        own = table[table["recipe"] == "magnitude"]
        worse = set_to("accuracy", "drop", 5.0, 0.1)(own.copy()).assign(recipe="worst")
        return pd.concat([table, own.assign(recipe="second"), own.assign(recipe="third"), worse])

    told = spoken(accuracy.tell(change(more, verdict=None)))
    assert "2 recipes lie between" in told
    assert "with worst it falls further" in told
    assert "with random" in told


def test_classes_are_told_by_damage_and_corrected_significance(reading: Reading) -> None:
    told = classes.tell(reading)
    rows = [r for r in reading.pruned("accuracy", "drop", items=True) if (r.recipe, r.level) == ("magnitude", "0.95")]
    worst = max(rows, key=lambda row: row.number)
    significant = [row for row in rows if row.p is not None and row.p < 0.05]
    assert f"hurts class {worst.item} most" in spoken(told)
    assert f"{len(significant)} of the 10 classes" in spoken(told)
    assert classes.hurt(rows)[0] == worst


def test_classes_without_a_loss_are_not_called_hurt(change: Change) -> None:
    def gain(table: pd.DataFrame) -> pd.DataFrame:
        rows = (table["quantity"] == "drop") & (table["item"] != "")
        table.loc[rows, ["value", "p"]] = [-1.0, 0.001]
        return table

    told = spoken(classes.tell(change(gain)))
    assert "lowers the recall of none of the 10 classes" in told
    assert "0 of the 10 classes lose significantly" in told
    assert "gain" in told


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.2, ", more than what two halves"), (0.02, "not certainly more than what"), (0.0, "no more than what two")],
)
def test_forgotten_is_told_beside_its_floor(change: Change, value: float, words: str) -> None:
    assert words in spoken(forgotten.tell(change(set_to("pie", "rate", value, 0.003))))


def test_forgotten_without_a_floor_makes_no_comparison(change: Change) -> None:
    def bare(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table["measure"] == "pie", ["floor", "floor_low", "floor_high"]] = None
        return table

    assert "halves" not in spoken(forgotten.tell(change(bare)))


def test_forgotten_shows_images_only_where_there_are_some(told: dict[str, Told], change: Change) -> None:
    assert part(told["forgotten"], Wall)
    bare = forgotten.tell(change(gallery=None))
    assert bare is not None
    assert not part(bare, Wall)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.999, "less than another seed"), (0.962, "about as much as"), (0.5, "more than another seed")],
)
def test_agreement_is_measured_by_separately_trained_networks(change: Change, value: float, words: str) -> None:
    assert words in spoken(agreement.tell(change(set_to("agreement", "agreement", value, 0.003))))


def test_agreement_of_one_seed_has_no_yardstick(change: Change) -> None:
    def bare(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table["measure"] == "agreement", ["floor", "floor_low", "floor_high"]] = None
        return table

    assert "no second dense network" in spoken(agreement.tell(change(bare)))


@pytest.mark.parametrize(
    ("value", "words"), [(0.1, "rises by 10.0 points"), (-0.1, "falls by"), (0.0, "is not certain")]
)
def test_calibration_says_whether_the_change_is_certain(change: Change, value: float, words: str) -> None:
    assert words in spoken(calibration.tell(change(set_to("calibration", "rise", value, 0.01))))


def test_calibration_without_its_rise_tells_the_error_alone(change: Change) -> None:
    told = spoken(calibration.tell(change(lambda table: table[table["quantity"] != "rise"])))
    assert "calibration error of magnitude is" in told


def test_cost_tells_three_sparsities_and_that_masks_save_no_time(told: dict[str, Told]) -> None:
    text = spoken(told["cost"])
    assert "95.0 % of the prunable weights, which are 93.6 % of all parameters and" in text
    assert "masks alone make nothing faster" in text
    assert any("no latency" in note.text for note in part(told["cost"], Note))  # type: ignore[attr-defined]


def test_cost_names_emptied_layers_and_copes_without_multiply_adds(change: Change) -> None:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        table = table[~table["quantity"].isin(["multiply_adds", "multiply_add_sparsity", "speedup"])]
        return set_to("compression", "collapsed", 2.0, 0.0)(table)

    told = cost.tell(change(changed))
    assert "From 0 % on magnitude leaves 2 layers of a network without any weight" in spoken(told)
    assert told is not None
    table = part(told, Table)[0]
    assert Cell("not measured") in table.groups[0].lines[0]  # type: ignore[attr-defined]


def test_cost_shows_measured_times_of_networks_as_they_are(change: Change) -> None:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        row = table[(table["recipe"] == "magnitude") & (table["measure"] == "compression")].iloc[0]
        numbers = {"latency": ("ms", 2.5, 5.0), "speedup": ("ratio", 2.0, None)}
        new = [
            {**row, "measure": "latency", "quantity": name, "unit": unit, "item": "", "value": value, "floor": floor}
            | {"low": None, "high": None, "floor_low": None, "floor_high": None}
            for name, (unit, value, floor) in numbers.items()
        ]
        return pd.concat([table, pd.DataFrame(new, columns=table.columns)], ignore_index=True)

    told = cost.tell(change(changed))
    assert told is not None
    line = part(told, Table)[1].groups[0].lines[0]  # type: ignore[attr-defined]
    assert [entry.text.replace("\u00a0", " ") for entry in line[1:]] == ["2.50", "2.00×"]
    (note,) = part(told, Note)
    assert note.text.endswith("the hardware skips zeros.")  # type: ignore[attr-defined]


def test_cost_shows_what_removing_filters_saves(change: Change) -> None:
    numbers = {
        "parameters": ("count", 5200.0, None, None, 23962.0),
        "multiply_adds": ("count", 70000.0, None, None, 361472.0),
        "file_size": ("kB", 24.1, None, None, 98.7),
        "latency": ("ms", 1.25, 1.2, 1.4, 3.5),
        "measured_speedup": ("ratio", 2.8, 2.6, 2.9, None),
    }

    def changed(table: pd.DataFrame) -> pd.DataFrame:
        rows = table[(table["recipe"] == "magnitude") & (table["measure"] == "compression")]
        row = rows[rows["sparsity"] == 0.95].iloc[0]
        new = [
            {**row, "measure": "shrinking", "quantity": name, "unit": unit, "item": "", "value": value}
            | {"low": low, "high": high, "floor": floor, "floor_low": None, "floor_high": None, "better": "lower"}
            for name, (unit, value, low, high, floor) in numbers.items()
        ]
        return pd.concat([table, pd.DataFrame(new, columns=table.columns)], ignore_index=True)

    told = cost.tell(change(changed))
    assert told is not None
    assert "masks alone make nothing faster, the pruned filters removed the speed-up is 2.80× [2.60, 2.90]" in spoken(
        told
    )
    table = part(told, Table)[1]
    line = table.groups[0].lines[0]  # type: ignore[attr-defined]
    assert [entry.text.replace("\u00a0", " ") for entry in line[1:]] == ["5,200", "70,000", "24.1", "1.25", "2.80×"]
    assert (line[4].interval, line[4].floor) == ("[1.20, 1.40]", "3.50")
    (note,) = part(told, Note)
    assert "removed for real" in note.text  # type: ignore[attr-defined]
    assert "makes no network smaller or faster" in note.text  # type: ignore[attr-defined]


def test_a_floor_that_all_rows_share_stands_in_the_head(told: dict[str, Told]) -> None:
    table = part(told["function"], Table)[0]
    assert isinstance(table, Table)
    assert table.head[1].floor.replace("\u00a0", " ") == "96.2 % [95.6, 96.8]"
    assert all(not entry.floor for group in table.groups for entry in group.lines[0] if isinstance(entry, Cell))


def test_a_refused_number_gives_its_reason(reading: Reading) -> None:
    row = next(row for row in reading.rows if row.measure == "cca")
    assert cell(row).text.startswith("not applicable: CCA needs more examples")
