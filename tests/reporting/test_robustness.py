"""Robustness, noise and pixels: what is told of shifts, noise sizes and networks, and that it can be drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from prunescope.measures import MEASURES
from prunescope.measures.table import COLUMNS
from prunescope.reporting import Material, Shifted, render
from prunescope.reporting.charts.chart import svg
from prunescope.reporting.charts.theme import PAGE
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Figure, Pictures, Told
from prunescope.reporting.sections import noise, pixels, robustness
from prunescope.reporting.shifts import Shifts, called, noise_size

POTENTIALS = {"test": 0.9, "corruption/fog/3[500]": 0.8, "corruption/impulse_noise/3[500]": 0.2}
NOISE = {0.0: 0.9, 0.1: 0.5, 0.2: 0.0}
NAMES = ("dense", "0.5", "0.9", "separate")
DENSE = {"recipe": "dense", "level": "dense", "sparsity": 0.0}


def row(measure: str, quantity: str, value: float, half: float = 0.02, **more: object) -> dict[str, object]:
    card = MEASURES.get(measure).card.quantities[quantity]
    known = {"measure": measure, "quantity": quantity, "value": value, "low": value - half, "high": value + half}
    place = {"study": "s", "recipe": "wt", "item": "", "n": 500, "seeds": 2, "status": "measured", "reason": ""}
    return dict.fromkeys(COLUMNS) | place | known | {"unit": card.unit, "better": card.better} | more


def records() -> list[dict[str, object]]:
    rows = [row("prune_potential", "potential", v, item=view, floor=0.9) for view, v in POTENTIALS.items()]
    rows += [
        row("prune_potential", quantity, v, item=f"noise/uniform_noise/{size}[100]")
        for size, v in NOISE.items()
        for quantity in ("potential", "interpolated", "monotone")
    ]
    rows += [
        row("prune_potential", "certain", 0.5, item="test"),
        row("prune_potential", "potential", 0.99, item="test, δ = 5"),
        row("prune_potential", "mean", 0.9, item="train distribution"),
        row("prune_potential", "mean", 0.5, item="test distribution"),
        row("prune_potential", "minimum", 0.2, item="test distribution"),
        row("excess_error", "excess", 0.4, item="0.5"),
        row("excess_error", "excess", 2.1, item="0.9"),
        row("excess_error", "slope", 2.2, 0.3),
        row("excess_error", "slope_with_intercept", 4.0, 0.9),
    ]
    for level, s, drop in (("0.5", 0.5, 0.1), ("0.9", 0.9, 3.0)):
        place = {"level": level, "sparsity": s}
        rows += [row("accuracy", "drop", k * drop, view=view, **place) for k, view in enumerate(POTENTIALS)]
        for size in NOISE:
            seen = place | {"view": f"noise/uniform_noise/{size}[100]"}
            rows.append(row("noise_similarity", "agreement", 0.99 - s * (0.04 + size / 2), floor=0.95, **seen))
            rows.append(row("noise_similarity", "softmax_l2", s * (0.03 + size), floor=0.06 + size, **seen))
    rows += [
        row("informative_pixels", "confidence", 0.8 - 0.1 * abs(i - j), item=f"{a} → {b}")
        for i, a in enumerate(NAMES)
        for j, b in enumerate(NAMES)
    ]
    rows += [row("informative_pixels", "never", 2.0, item=name) for name in NAMES]
    return [*rows, row("accuracy", "drop", 0.0, view="test", **DENSE)]


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(4, 1, 8, 8)).astype(np.uint8)
    orders = np.stack([np.stack([rng.permutation(64) for _ in range(4)]) for _ in NAMES])
    arrays = {"images": images, "orders": orders, "kept": np.array([6])}
    return Material(
        title="s",
        recipes={"dense": "dense", "wt": "weights"},
        table=pd.DataFrame(records(), columns=list(COLUMNS)),
        view="test",
        arrays={("wt", "", "", "informative_pixels"): arrays},
        shifted=tuple(Shifted(view=view, images=images, departure="drawn" * (view != "test")) for view in POTENTIALS),
    )


def charts(told: Told | None) -> dict[str, Figure]:
    assert told is not None
    return {part.chart.name: part for part in told.parts if isinstance(part, Figure)}


def test_the_view_that_breaks_first_is_named_beside_the_train_distribution(material: Material) -> None:
    told = robustness.tell(Reading(material))
    assert told is not None
    assert told.sentence.startswith("Wt breaks first on impulse noise 3, where its potential is 20.0")
    assert "2 of 2 shifts allow less than that, 2 certainly" in told.sentence
    assert "grows by 2.20" in told.sentence


def test_other_deltas_and_noise_are_not_mixed_with_the_shifts(material: Material) -> None:
    seen = Shifts(Reading(material))
    assert [row.item for row in seen.potentials("wt")] == [*sorted(POTENTIALS, key=POTENTIALS.__getitem__)]
    assert [size for size, _ in seen.noisy("wt", "potential")] == [0.0, 0.1, 0.2]


def test_closeness_to_the_parent_is_told_against_the_yardstick(material: Material) -> None:
    told = noise.tell(Reading(material))
    assert told is not None
    assert told.sentence.startswith("Up to 90")
    assert "two dense networks on 95.0" in told.sentence
    assert set(charts(told)) == {"noise-agreement", "noise-softmax-l2"}


def test_the_pixel_matrix_keeps_the_order_of_its_networks(material: Material) -> None:
    seen = pixels.Matrix(Reading(material))
    assert seen.names("wt") == list(NAMES)
    assert seen.grid("wt").values[0].tolist() == pytest.approx([0.8, 0.7, 0.6, 0.5])
    told = pixels.tell(Reading(material))
    assert told is not None
    shown = next(part for part in told.parts if isinstance(part, Pictures))
    assert [len(picture.uris) for picture in shown.rows] == [5] * 4


def test_every_chart_can_be_drawn_and_the_page_holds_the_pictures(material: Material) -> None:
    reading = Reading(material)
    drawn = {
        name: part
        for tell in (robustness.tell, noise.tell, pixels.tell)
        for name, part in charts(tell(reading)).items()
    }
    assert {"potential", "drops-by-shift", "potential-noise", "excess-error", "informative-pixels"} <= set(drawn)
    for part in drawn.values():
        text = svg(part.chart.specification(PAGE, titled=True))
        assert "NaN" not in text
        assert part.chart.statement
    page = render(material)
    assert "The same images on every view" in page
    assert page.count("drawn</span>") == 2


def test_without_their_numbers_the_sections_are_left_out(material: Material) -> None:
    bare = Reading(
        Material(title="s", recipes={"wt": ""}, table=material.table[material.table.measure == "accuracy"], view="test")
    )
    assert [section.tell(bare) for section in (robustness, noise, pixels)] == [None] * 3


def test_views_are_told_in_words() -> None:
    assert called("corruption/gaussian_noise/3[2000]") == "gaussian noise 3"
    assert called("canonical/fog/3") == "fog 3 (canonical)"
    assert noise_size("noise/uniform_noise/0.05/clip=false[10]") == ("uniform noise", 0.05)
    assert noise_size("corruption/fog/3") is None
