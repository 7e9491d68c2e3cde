"""From epoch to epoch: curves of every variant, zeros by layer, and what grew back, drawn from real measurements."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prunescope.measures import Gradients, History, tidy
from prunescope.measures.table import COLUMNS
from prunescope.reporting import Material
from prunescope.reporting.charts.theme import FIGURE, PAGE
from prunescope.reporting.lives import Life, lives
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Note
from prunescope.reporting.sections import SECTIONS, history
from tests.measures.conftest import history as life_of
from tests.measures.conftest import populations
from tests.reporting.layered import charts, records, spoken, tables

NETWORKS = 3


def measured(sparsity, epochs=None):
    """Measure networks that lived as the measures' tests have them; ``epochs`` cuts their lives short."""
    whole = populations(networks=NETWORKS, sparsity=sparsity)
    lived = [
        replace(subject, fetch_history=lambda s=subject: life_of(s.seed, s.state)[:epochs]) for subject in whole.pruned
    ]
    return History()(replace(whole, pruned=tuple(lived)))


def study(recipes, edit=None):
    """Return the material of recipes: name to its (level, sparsity, measurement)s."""
    rows, arrays = [], {}
    for recipe, levels in recipes.items():
        for level, sparsity, found in levels:
            place = {"recipe": recipe, "level": level, "sparsity": sparsity, "view": None, "seeds": NETWORKS}
            rows += tidy("history", found, study="s", **place)
            arrays[recipe, level, "", "history"] = dict(found.arrays)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Material(title="s", recipes=dict.fromkeys(recipes, ""), table=table, arrays=arrays)


@pytest.fixture(scope="module")
def lived():
    return study({
        "dense": [("dense", 0.0, measured(0.5, 2))],
        "pruned": [("0.5", 0.5, measured(0.5, 5))],
        "regrown": [("0.2", 0.2, measured(0.2)), ("0.5", 0.5, measured(0.5))],
    })  # fmt: skip


@pytest.fixture(scope="module")
def told(lived):
    return history.tell(Reading(lived))


def test_the_section_follows_accuracy_and_needs_a_recorded_life(reading):
    keys = [section.key for section in SECTIONS]
    assert keys.index("history") == keys.index("accuracy") + 1
    assert history.tell(reading) is None
    assert "history" in history.SECTION.needs


def test_the_sentence_tells_what_grew_back_where_most_was_pruned_and_the_best_and_worst_end(told):
    assert spoken(told).startswith("Of the 50 % pruned in regrown, 100.0 % grew back once the mask was lifted, to ")
    assert "validation accuracy ends best with regrown at 20 %, 81.0 % [" in spoken(told)
    assert "and worst with dense, 61.0 % [" in spoken(told)
    assert "; dense ends at 61.0 %" in spoken(told)


def test_all_variants_stand_in_one_picture_and_each_recipe_beside_dense(told):
    chart = charts(told)["history-accuracy"]
    assert [choice.value for choice in chart.choices] == ["all variants", "dense", "pruned", "regrown"]
    assert (
        chart.statement == "Validation accuracy ends between 61.0\u00a0% (dense) and 81.0\u00a0% (regrown at 20\u00a0%)"
    )
    drawn = [point for point in records(chart) if point["value"] is not None]
    of = {choice: {p["curve"] for p in drawn if p["choice"] == choice} for choice in ("all variants", "regrown")}
    assert of["all variants"] == {"validation dense", "validation pruned", "validation regrown"}
    levels = {f"{images} {name}" for images, name in [("validation", "20\u00a0%"), ("validation", "50\u00a0%")]}
    assert of["regrown"] == {"validation dense", *levels, "training training"}
    assert max(p["high"] for p in drawn if p.get("high")) <= 100
    marks = [
        layer["data"]["values"] for layer in chart.specification(PAGE)["layer"] if "values" in layer.get("data", {})
    ]
    acts = {(a["choice"], a["x"], a["text"]) for values in marks for a in values if set(a) == {"choice", "x", "text"}}
    assert acts == {("pruned", 2.0, "pruned"), ("regrown", 2.0, "pruned"), ("regrown", 4.0, "mask lifted")}


def test_zeros_are_mapped_by_layer_and_epoch_in_network_order(told):
    chart = charts(told)["history-zeros"]
    assert [choice.value for choice in chart.choices] == [
        "pruned at 50\u00a0%", "regrown at 50\u00a0%", "regrown at 20\u00a0%"
    ]  # fmt: skip
    assert chart.chosen == "regrown at 50\u00a0%"  # the longest life
    own = [point for point in records(chart) if point["choice"] == chart.chosen]
    assert list(dict.fromkeys(point["layer"] for point in own)) == ["0", "4"]
    assert [p["value"] for p in own if p["layer"] == "0"][-1] == 0
    assert "of the weights are zero at the end, most in " in chart.statement


def test_the_size_of_what_grew_back_is_drawn_and_tabled(told):
    chart = charts(told)["history-size"]
    assert chart.statement == "regrown at 50\u00a0%: regrown weights measure 0.0100 after an epoch, 0.0100 at the end"
    assert {point["x"] for point in records(chart)} == {5.0, 6.0}
    ends, grown, layers = tables(told)
    assert [group.recipe for group in ends.groups] == ["dense", "pruned", "regrown"]
    assert [(group.recipe, len(group.lines)) for group in grown.groups] == [("regrown", 2)]
    assert [line[0] for line in layers.groups[0].lines] == ["0", "4"]
    assert any("nothing but padding" in part.text for part in told.parts if isinstance(part, Note))


def test_gradients_of_the_two_losses_stand_side_by_side(lived):
    found = Gradients()(populations(networks=NETWORKS))
    rows = tidy("gradients", found, recipe="regrown", level="0.5", sparsity=0.5, view="test", seeds=NETWORKS)
    both = replace(lived, table=pd.concat([lived.table, pd.DataFrame(rows, columns=list(COLUMNS))]), view="test")
    last = tables(history.tell(Reading(both)))[-1]
    assert "Norm of the gradient" in last.caption
    [group] = last.groups
    assert len(group.lines[0]) == len(last.head) == 5


def test_the_pictures_are_drawn_on_the_page_and_as_figures(told):
    for chart in charts(told).values():
        assert "<svg" in chart.figure_svg()
        assert chart.specification(FIGURE)["width"] == FIGURE.width


def test_a_life_that_tracked_nothing_has_no_curves_but_its_zeros():
    found = measured(0.5, 2)
    bare = {name: array for name, array in found.arrays.items() if "accuracy" not in name}
    bare_study = study({"only": [("dense", 0.0, found)]})
    bare_study = replace(bare_study, arrays={("only", "dense", "", "history"): bare})
    assert "history-accuracy" not in charts(history.tell(Reading(bare_study)))


def test_sizes_are_averaged_over_the_weights_not_the_layers(lived):
    row = lives(Reading(lived))[-1].row
    arrays = {
        "grown/a": np.array([[1.0]]), "grown/b": np.array([[3.0]]),
        "grown_size/a": np.array([[1.0]]), "grown_size/b": np.array([[0.2]]),
    }  # fmt: skip
    arrays |= {f"epoch/{name}": np.array([7.0]) for name in list(arrays)}
    [(epoch, mean)] = Life(row, arrays).regrown_size()
    assert (epoch, mean.number) == (7.0, pytest.approx(0.4))
