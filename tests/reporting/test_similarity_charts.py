"""Charts of similarity: by layer, by metric, over sparsity and layer against layer, for small and large networks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prunescope.reporting import render, similarity_charts, write_figures
from prunescope.reporting.charts.chart import Choice, svg
from prunescope.reporting.charts.curves import layer_labels
from prunescope.reporting.charts.theme import FIGURE, PAGE
from prunescope.reporting.place import key
from prunescope.reporting.reading import Reading
from prunescope.reporting.sections import representation
from prunescope.reporting.similarities import NAMES
from prunescope.reporting.similarity_charts import MOST_LEVELS, some
from tests.reporting.layered import (
    HOSTILE,
    charts,
    notes,
    records,
    setting,
    study,
    tables,
    tell,
    without,
)


def test_a_choice_for_every_metric_and_recipe() -> None:
    told = tell(recipes=("imp", "other"))
    layers = charts(told)["similarity-layers"]
    assert layers.choices[0] == Choice(key("cka", "imp"), "CKA, imp", layers.statement)
    assert len({choice.value for choice in layers.choices}) == 2 * len(NAMES)
    assert [c.value for c in charts(told)["similarity-metrics"].choices] == ["imp", "other"]
    assert {record["choice"] for record in records(layers)} == {choice.value for choice in layers.choices}
    assert [c.label for c in charts(tell())["similarity-layers"].choices] == list(NAMES.values())


def test_lines_by_layer_are_few_and_the_told_one_is_strongest_with_whiskers() -> None:
    drawn = [r for r in records(charts(tell())["similarity-layers"]) if r["choice"] == key("cka", "imp")]
    levels = {r["curve"]: r["opacity"] for r in drawn if r["shape"] != "stroke"}
    assert len(levels) == MOST_LEVELS
    assert list(levels.values()) == sorted(levels.values())
    assert {r["at"] for r in drawn if r.get("spread") == "whiskers"} == {"99\u00a0%"}
    assert {r["curve"] for r in drawn if r.get("spread") == "band"} == {"CKA two dense"}


def test_levels_are_thinned_evenly_and_keep_the_chosen_one() -> None:
    levels = [("imp", str(i), i / 20) for i in range(15)]
    for chosen in levels:
        kept = some(levels, chosen)
        assert chosen in kept
        assert len(kept) == MOST_LEVELS
        assert kept == sorted(kept, key=lambda place: place[2])
    assert some(levels[:3], levels[1]) == levels[:3]


def test_means_say_from_where_on_another_seed_is_closer() -> None:
    edit = setting("value", 0.1, measure="cca", quantity="mean", level="0.98")
    title = charts(tell(edit=edit))["similarity-sparsity"].statement.replace("\u00a0", " ")
    assert title == "From 98 % imp is further from its parent than another seed, by CCA on average"
    near = setting("value", 0.99, quantity="mean")
    assert "Up to 99 %" in charts(tell(edit=near))["similarity-sparsity"].statement.replace("\u00a0", " ")
    assert "similarity-sparsity" not in charts(tell(edit=without(quantity="mean")))


def test_the_map_says_which_layers_resemble_another_one_more() -> None:
    material = study(metrics=("cka",))
    grid = np.eye(4)
    grid[0, 2], grid[2, 2] = 0.9, 0.4
    place = ("imp", "0.99", "test", "cka")
    told = representation.tell(Reading(replace(material, arrays={**material.arrays, place: {"grid": grid}})))
    assert told is not None
    title = charts(told)["similarity-map"].statement.replace("\u00a0", " ")
    assert (
        "1 of 4 layers of imp at 99 % is most like another dense layer (conv3 like conv1, 0.900 against 0.400)" in title
    )
    own = charts(tell())["similarity-map"].statement
    assert own.startswith("CKA: every layer of imp at 99")
    assert own.endswith("is most like its own dense layer")


def test_without_grids_the_map_is_left_out_and_said_so() -> None:
    told = tell(grids=False)
    assert "similarity-map" not in charts(told)
    assert "No map of layers against layers" in notes(told)
    assert "No map" not in notes(tell())


def test_a_small_map_has_numbers_and_a_large_one_a_legend() -> None:
    def layers_of(count: int) -> list[dict[str, Any]]:
        names = tuple(f"layer{i}" for i in range(count))
        return charts(tell(layers=names, levels=(0.9,)))["similarity-map"].specification(PAGE)["layer"]  # type: ignore[no-any-return]

    small, large = layers_of(4), layers_of(20)
    assert [part["mark"]["type"] for part in small] == ["rect", "text"]
    assert small[0]["encoding"]["fill"]["legend"] is None
    assert [part["mark"]["type"] for part in large] == ["rect"]
    assert large[0]["encoding"]["fill"]["legend"]["values"][0] == 1.0


def test_sixty_layers_and_one_seed_draw_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity_charts, "MOST_CELLS", 8000)
    names = tuple(f"features.denseblock{i // 15}.denselayer{i}.conv" for i in range(60))
    told = tell(layers=names, levels=(0.5, 0.99), recipes=("imp", "other"), seeds=1)
    drawn = charts(told)
    assert len(drawn["similarity-map"].choices) == 2
    assert drawn["similarity-map"].note == "8 maps of other metrics or recipes left out for size."
    assert all(table.long for table in tables(told))
    spec = drawn["similarity-layers"].specification(PAGE)
    assert len(json.dumps(spec)) < 1e6
    assert "…enselayer0.conv" in svg(spec)


def test_few_short_names_stand_straight_and_long_ones_are_turned() -> None:
    assert layer_labels(["conv1", "linear"])["labelAngle"] == 0
    assert layer_labels(["features.0"] * 20)["labelAngle"] == -45


def test_the_page_and_the_figures_draw_with_hostile_names_escaped(tmp_path: Any) -> None:
    material = study()
    page = render(material)
    assert "Same representation?" in page
    assert HOSTILE not in page
    files = write_figures(material, tmp_path, ["svg"])
    names = [path.name for path in files if path.name.startswith("similarity-")]
    assert names == [f"similarity-{name}.svg" for name in ("layers", "metrics", "sparsity", "map")]
    assert all(HOSTILE not in path.read_text() for path in files)
    assert "conv'2&lt;b&gt;" in (tmp_path / "similarity-layers.svg").read_text()


def test_figures_are_black_and_one_column_wide() -> None:
    for chart in charts(tell()).values():
        drawn = svg(chart.specification(FIGURE, titled=True))
        assert 'width="252"' in drawn
        assert "currentColor" not in drawn
