"""What a measure is shown by a study: populations by level, or the curve of a recipe on all its views."""

from typing import ClassVar

import pytest
import torch

from prunescope import load_study, report, results, run
from prunescope.measures import MEASURES, Card, Curve, Measure, Measurement, Quantity, Value
from prunescope.measures.inference import Logits
from prunescope.study.plan import plan_study
from prunescope.study.store import Store

TRAIN = {"train": {"until": "1ep", "batch": 128}}
STUDY = {
    "name": "curves",
    "data": "digits",
    "model": {"mlp": {"hidden": [4]}},
    "seeds": 2,
    "recipes": {
        "dense": [TRAIN],
        "magnitude": {"from": "dense", "levels": [0.5, 0.9], "stages": [{"prune": "magnitude"}]},
    },
    "views": ["test", "corruption/fog/3[50]"],
    "measures": ["accuracy", "kept_on_curve"],
}


class KeptOnCurve(Measure):
    """The share of weights kept, once for each view, level and network."""

    card: ClassVar[Card] = Card(
        title="Kept",
        scope="curve",
        evidence=frozenset({"logits", "state", "images"}),
        quantities={"kept": Quantity(unit="share", better="higher", range=(0, 1), meaning="share of weights kept")},
        source="this test",
    )

    def sees(self, view):
        return True

    def __call__(self, shown: Curve) -> Measurement:
        values = []
        for view, levels in shown.views.items():
            for sparsity, populations in zip(shown.sparsities, levels, strict=True):
                for pair in populations.pairs:
                    dense, pruned = pair.dense, pair.pruned
                    assert (dense.seed, dense.state.mask.sparsity) == (pruned.seed, 0)
                    again = pruned.network()(pruned.normalization(pruned.images))
                    if view == "test":
                        torch.testing.assert_close(again, pruned.logits)
                    kept, n = 1 - pruned.state.mask.sparsity, len(pruned.images)
                    item = f"{view} {sparsity}"
                    values.append(Value(quantity="kept", value=kept, n=n, item=item, seed=pruned.seed))
        return Measurement(values=tuple(values))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(MEASURES, "_members", dict(MEASURES._members))
    MEASURES.register("kept_on_curve")(KeptOnCurve)


def test_a_curve_is_measured_once_for_each_recipe_that_prunes_over_all_levels_and_views(tmp_path):
    store = tmp_path / "store"
    assert run(STUDY, store=store, on="inline").complete
    table = results(STUDY, store=store)
    rows = table[table.measure == "kept_on_curve"]
    assert set(rows.recipe) == {"magnitude"}
    assert rows[["level", "view", "sparsity"]].isna().all(axis=None)
    kept = {(row["item"], row.seed): (round(row.value, 2), row.n) for _, row in rows.iterrows()}
    sizes = {"test": rows.n.max(), "corruption/fog/3[50]": 50}
    assert kept == {
        (f"{view} {s}", seed): (round(1 - s, 2), n) for view, n in sizes.items() for s in (0.5, 0.9) for seed in (0, 1)
    }
    assert "kept on curve" in report(STUDY, tmp_path / "page.html", store=store).read_text("utf-8").replace("_", " ")


def test_levels_and_views_are_part_of_a_curves_identity():
    def curve(**changes):
        plan = plan_study(load_study(STUDY | changes))
        return next(item.key for item in plan.measured if item.measure == "kept_on_curve")

    assert curve() == curve(name="other")
    assert curve() != curve(views=["test"])


def test_recipes_are_compared_at_every_sparsity_that_several_of_them_have(tmp_path):
    pruned = STUDY["recipes"]["magnitude"]
    random = {**pruned, "levels": [0.9, 0.95], "stages": [{"prune": "random"}]}
    study = STUDY | {"recipes": STUDY["recipes"] | {"random": random}, "measures": ["pie", "overlap"]}
    study["views"] = ["test"]
    compared = [item for item in plan_study(load_study(study)).measured if item.measure == "overlap"]
    assert [(item.recipe, item.level, item.view) for item in compared] == [(None, "0.9", "test")]
    assert run(study, store=tmp_path / "store", on="inline").complete
    table = results(study, store=tmp_path / "store")
    rows = table[table.measure == "overlap"]
    assert rows.recipe.isna().all()
    assert "magnitude × random" in set(rows["item"])
    single = STUDY | {"measures": ["overlap"]}
    assert not [item for item in plan_study(load_study(single)).measured if item.measure == "overlap"]


def test_an_inference_that_runs_out_of_memory_goes_on_with_fewer_images_at_once(tmp_path, monkeypatch):
    whole, tried = Logits.__call__, []

    def short(self, seen):
        tried.append(seen.batch)
        if seen.batch > 100:
            torch.empty(2**50)  # what a processor says differs from what a GPU does
        return whole(self, seen)

    study = STUDY | {"measures": ["accuracy"], "seeds": 1, "recipes": {"dense": [TRAIN]}, "views": ["test"]}
    assert run(study, store=tmp_path / "whole", on="inline").complete
    monkeypatch.setattr(Logits, "__call__", short)
    assert run(study, store=tmp_path / "short", on="inline").complete
    assert tried == [128, 64]
    [cell] = plan_study(load_study(study)).cells
    found = [Store(tmp_path / name).read("logits", cell.logits["test"]) for name in ("whole", "short")]
    assert [artefact.content["batch"] for artefact in found] == [128, 64]
    torch.testing.assert_close(found[0].tensors["logits"], found[1].tensors["logits"])
