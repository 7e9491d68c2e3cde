"""Overlap of recipes and depth on the page, from the numbers of real measures on synthetic networks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prunescope.measures import COLUMNS, Overlap, Pie, PredictionDepth, QScore, Recipes, Umap, tidy
from prunescope.reporting import Gallery, Material
from prunescope.reporting.charts.bars import Bar
from prunescope.reporting.charts.bars import draw as draw_bars
from prunescope.reporting.charts.chart import svg
from prunescope.reporting.charts.scatter import Point
from prunescope.reporting.charts.scatter import draw as draw_scatter
from prunescope.reporting.charts.theme import FIGURE
from prunescope.reporting.gallery import wall
from prunescope.reporting.overlaps import pictures, tables
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Figure, Note, Table
from prunescope.reporting.sections import depth, forgotten
from tests.measures.conftest import populations

EXAMPLES = 80
RECIPES = {"ce_oneshot": 0.9, "supcon_early": 0.6}
DENSE = {"ce_oneshot": "ce_dense", "supcon_early": "supcon_dense"}


def material() -> Material:
    whole = {name: populations(networks=4, examples=EXAMPLES, noise=noise) for name, noise in RECIPES.items()}
    where = {"study": "s", "level": "0.9", "sparsity": 0.9, "view": "test", "seeds": 4}
    rows, arrays = [], {}
    for name, shown in whole.items():
        for measure in (Pie(), QScore(), PredictionDepth(), Umap(method="pca", examples=40)):
            found = measure(shown)
            rows += tidy(measure.member_name, found, recipe=name, **where)
            arrays[name, "0.9", "test", measure.member_name] = dict(found.arrays)
        base = {**where, "level": "dense", "sparsity": 0.0}
        rows += tidy("pie", Pie()(replace(shown, pruned=shown.dense)), recipe=DENSE[name], **base)
    found = Overlap()(Recipes(populations=whole))
    rows += tidy("overlap", found, **where)
    arrays["", "0.9", "test", "overlap"] = dict(found.arrays)
    shown = whole["ce_oneshot"]
    images = np.zeros((EXAMPLES, 1, 8, 8), np.uint8)
    return Material(
        title="contrast",
        recipes={**dict.fromkeys(DENSE.values(), ""), **dict.fromkeys(RECIPES, "")},
        dense_of={**DENSE, **{name: name for name in DENSE.values()}},
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        arrays=arrays,
        gallery=Gallery(view="test", images=images, labels=shown.labels, classes=shown.classes),
    )


@pytest.fixture(scope="module")
def reading() -> Reading:
    return Reading(material())


def spoken(text: str) -> str:
    return text.replace("\u00a0", " ")


def charts(told) -> dict:
    return {part.chart.name: part.chart for part in told if isinstance(part, Figure)}


def test_dense_recipes_are_no_pruned_ones_and_have_names_beside_each_other(reading):
    assert reading.recipes == ("ce_oneshot", "supcon_early")
    assert reading.dense_recipes == ("ce_dense", "supcon_dense")
    assert [row.recipe for row in reading.denses("pie", "rate")] == ["ce_dense", "supcon_dense"]
    assert reading.dense("pie", "rate", "supcon_early").recipe == "supcon_dense"
    assert reading.dense_name("ce_dense") == "ce_dense"


def test_each_dense_population_draws_its_own_floor(reading):
    told = forgotten.tell(reading)
    drawn = str(charts(told.parts)["pie-rate"].specification(FIGURE))
    assert "ce_dense halves" in drawn
    assert "supcon_dense halves" in drawn


def test_the_matrix_is_symmetric_with_each_recipe_against_itself(reading):
    row = {row.item: row.number for row in reading.of("overlap", "half_jaccard", items=True)}
    chart = charts(pictures(reading))["overlap"]
    spec = chart.specification(FIGURE)
    data = next(layer["data"]["values"] for layer in [spec, *spec["layer"]] if "data" in layer)
    cells = {(d["dense"], d["pruned"]): d["value"] for d in data}
    assert len(cells) == 4
    assert cells["ce_oneshot", "ce_oneshot"] == pytest.approx(row["ce_oneshot × ce_oneshot"], abs=1e-4)
    assert cells["ce_oneshot", "supcon_early"] == cells["supcon_early", "ce_oneshot"]
    assert "Two recipes share" in spoken(chart.statement)


def test_bars_count_common_and_unique_pies(reading):
    chart = charts(pictures(reading))["pie-classes"]
    unique = reading.material.arrays["", "0.9", "test", "overlap"]["unique/ce_oneshot"].sum()
    count = next(row.number for row in reading.pruned("pie", "count") if row.recipe == "ce_oneshot")
    assert f"{unique} of the {count:.0f} images that ce_oneshot at 90 % forgets" in spoken(chart.statement)
    note = next(part for part in pictures(reading) if isinstance(part, Note))
    assert "forgotten by one recipe alone; unrelated sets" in spoken(note.text)
    table = next(part for part in tables(reading) if isinstance(part, Table))
    assert [line[0] for line in table.groups[0].lines] == ["ce_oneshot × supcon_early"]


def test_the_gallery_tells_the_depth(reading):
    tile = wall(reading).tiles[0]
    depths = reading.material.arrays["ce_oneshot", "0.9", "test", "prediction_depth"]
    before, after = (depths[f"{side}_depth"][tile.example] for side in ("dense", "pruned"))
    assert tile.depth == f"{before:.1f} → {after:.1f}"


def test_depth_says_how_deep_forgotten_images_are_and_which_sign_tells_them(reading):
    told = depth.tell(reading)
    text = spoken(told.sentence)
    assert text.startswith("The images that ce_oneshot at 90 % forgets are decided at depth")
    assert "a low Q-score" in text
    assert "neighbours on the map share a class" in text
    assert set(charts(told.parts)) == {
        "depth-histogram", "prediction-depth-scatter", "q-score-scatter", "map-dense", "map-pruned"
    }  # fmt: skip
    for chart in charts(told.parts).values():
        assert chart.figure_svg().startswith("<svg")


def test_points_are_capped_and_all_pies_that_fit_are_among_them():
    flags = np.arange(1000) < 30
    chosen = depth._drawn(flags)
    assert set(range(30)) <= set(chosen.tolist())
    assert len(chosen) == 30 + depth.MOST_OF_A_GROUP


def test_one_measure_alone_makes_a_section_and_none_makes_nothing(reading):
    def only(*names):
        kept = reading.material.table[reading.material.table["measure"].isin(names)]
        arrays = {place: found for place, found in reading.material.arrays.items() if place[3] in names}
        return Reading(replace(reading.material, table=kept, arrays=arrays))

    assert "Q-score" in depth.tell(only("q_score")).sentence
    assert set(charts(depth.tell(only("umap")).parts)) == {"map-dense", "map-pruned"}
    assert depth.tell(only("pie")) is None
    assert pictures(only("pie")) == tables(only("pie")) == ()


@pytest.mark.parametrize("places", [[(0.0, 0.0)], [(-3.0, 2.0), (1e3, -1.0)], [(0.1, 0.1), (0.1, 0.1)]])
def test_any_points_make_a_square_scale_that_holds_them(places):
    points = [Point("p", x, y, "PIE", "k", i) for i, (x, y) in enumerate(places)]
    spec = draw_scatter(points, "a", "b", FIGURE).to_dict(validate=False)
    scale = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert scale == spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert scale[0] < min(map(min, places)) <= max(map(max, places)) < scale[1]


def test_bars_of_a_class_stack_common_before_unique():
    bars = [Bar("p", "a", "common", 2), Bar("p", "a", "unique", 3)]
    spec = draw_bars(bars, ["a"], FIGURE).to_dict(validate=False)
    assert "<svg" in svg({**spec, "params": [{"name": "shown", "value": "p"}]})
