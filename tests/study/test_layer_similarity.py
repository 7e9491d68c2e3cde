"""The preset layer-similarity, shrunken: what it trains, what it measures, what the page tells."""

import numpy as np
import pytest

from prunescope import report, results
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.store import Store
from prunescope.study.study import load_study

METRICS = ("cka", "nbs", "svcca", "pwcca", "cca")
SHRUNK = {
    "seeds": 2,
    "model": "lenet300",
    "recipes.imp.repeat": 2,
    "recipes.dense.stages.0.train.until": "3ep",
    "recipes.dense.stages.0.train.lr": {"steps": ["2ep"], "factor": 0.1},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = tmp_path_factory.mktemp("layer-similarity") / "store"
    assert run(shrunk(), store=store, on="inline").complete
    return store


def shrunk():
    return load_study("layer-similarity", settings=SHRUNK)


def test_every_round_removes_a_fifth_and_starts_the_schedule_anew(store):
    plan = plan_study(shrunk())
    for cell in (cell for cell in plan.cells if cell.recipe == "imp"):
        history = Store(store).read("state", cell.state).content["history"]
        trainings = 1 + int(cell.level.removeprefix("round "))
        assert [entry["lr"] for entry in history if "lr" in entry] == pytest.approx([0.1, 0.1, 0.01] * trainings)
    rounds = results(shrunk(), store=store).query("recipe == 'imp'")[["level", "sparsity"]].drop_duplicates()
    assert list(rounds["level"]) == ["round 1", "round 2"]
    np.testing.assert_allclose(rounds["sparsity"], [0.2, 0.36], atol=1e-4)


def test_every_metric_is_told_by_layer_with_its_floors_and_what_it_rests_on(store):
    table = results(shrunk(), store=store).query("recipe == 'imp' and seed.isna()")
    layers = plan_layers(table)
    assert len(layers) == 3
    for metric in METRICS:
        own = table[table["measure"] == metric]
        by_layer = own[own["quantity"] == "similarity"]
        assert len(by_layer) == 2 * len(layers)
        assert by_layer[["low", "high", "floor"]].notna().all(axis=None)
        kinds = {"separate", "untrained", "permuted", "features", "dropped", "dense_features", "dense_dropped"}
        kinds |= set() if metric in {"cka", "nbs"} else {"rank", "dense_rank"}
        assert kinds <= set(own["quantity"])
    closer = table.query("measure == 'cka' and quantity == 'mean'")
    assert (closer["value"] > 0.5).all()


def plan_layers(table):
    return list(dict.fromkeys(table[table["quantity"] == "similarity"]["item"]))


def test_the_page_answers_whether_layers_still_represent_the_same(store, tmp_path):
    page = report(shrunk(), tmp_path / "report.html", store=store, figures=tmp_path).read_text()
    assert "Same representation?" in page
    assert "metrics disagree most" in page.lower().replace("\u00a0", " ")
    drawn = {path.stem for path in tmp_path.glob("similarity-*.svg")}
    assert drawn == {"similarity-layers", "similarity-metrics", "similarity-sparsity", "similarity-map"}


@pytest.mark.parametrize("mode", ["plain", "residual"])
@pytest.mark.parametrize("size", ["tiny", "small", "paper"])
def test_every_size_removes_a_fifth_of_what_remains_and_rewinds(size, mode):
    study = load_study("layer-similarity", size=size, settings={"mode": mode})
    prune, rewind, _ = study.recipes["imp"].stages
    assert (prune.remove, prune.of, rewind.to) == (0.2, "remaining", "lr")
    assert ("resnet20" in study.model.spec()) == (mode == "residual")


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["plain", "residual"])
def test_the_tiny_size_runs_to_its_end(mode, tmp_path):
    assert run(load_study("layer-similarity", settings={"mode": mode}), store=tmp_path / "store", workers=2).complete
