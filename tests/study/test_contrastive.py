"""The contrastive study end to end: shortened, in both modes; in full as a soak test."""

import time

import pytest
import torch

from prunescope import load_study, report, results, run
from prunescope.study.artefacts import read_state
from prunescope.study.plan import plan_study
from prunescope.study.store import Store

PRUNED = {
    "controlled": ["ce_oneshot", "ce_early", "ce_late", "supcon_oneshot", "supcon_early", "supcon_late"],
    "as_published": ["ce_oneshot", "ce_early", "supcon_oneshot", "supcon_early", "supcon_late"],
}
MEASURED = {"accuracy", "agreement", "pie", "overlap", "q_score", "prediction_depth", "umap", "compression"}


def shortened(mode):
    """Return the tiny study with two seeds, one level, and two epochs for every training."""
    settings = {"mode": mode, "seeds": 2}
    study = load_study("contrastive", settings=settings)
    for name, recipe in study.recipes.items():
        for i, stage in enumerate(recipe.stages):
            kind = stage.member_name
            if kind == "train":
                settings[f"recipes.{name}.stages.{i}.train.until"] = "2ep"
                if mode == "as_published" and name == "ce_dense":
                    settings[f"recipes.{name}.stages.{i}.train.lr"] = "cosine"
            if kind == "gradual":
                begin = f"recipes.{name}.stages.{i}.gradual"
                settings |= {f"{begin}.begin": "0ep", f"{begin}.end": "1ep", f"{begin}.train.until": "2ep"}
                settings[f"{begin}.train.lr"] = "cosine"
        if name in PRUNED[mode]:
            settings[f"recipes.{name}.levels"] = [0.8]
    return load_study("contrastive", settings=settings)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    study, store = shortened("controlled"), tmp_path_factory.mktemp("contrastive") / "store"
    assert run(study, store=store, on="inline").complete
    return study, store


def test_every_measure_compares_each_recipe_with_its_own_dense_networks(controlled):
    study, store = controlled
    table = results(study, store=store)
    assert set(table.measure) == MEASURED
    assert set(table.status) == {"measured"}
    assert {r: study.dense_of(r) for r in PRUNED["controlled"]} == {
        r: f"{r.partition('_')[0]}_dense" for r in PRUNED["controlled"]
    }
    floors = (
        table[(table.measure == "pie") & (table.quantity == "rate") & (table["item"] == "")].set_index("recipe").floor
    )
    assert floors["ce_late"] == floors["ce_oneshot"] != floors["supcon_late"]
    pairs = table[(table.measure == "overlap") & (table.quantity == "misalignment")]
    assert len(pairs) == 15


def test_encoder_and_head_are_one_state_and_only_the_encoder_is_pruned(controlled):
    study, store = controlled
    cells = [cell for cell in plan_study(study).cells if cell.recipe in PRUNED["controlled"]]
    for cell in cells:
        state, _ = read_state(Store(store), cell.state)
        assert {"projection.0.weight", "linear.weight", "conv1.weight"} <= set(state.weights)
        shares = {name: 1 - kept / total for name, (kept, total) in state.mask.counts().items()}
        assert shares.pop("linear.weight") == 0
        assert all(abs(share - 0.8) < 0.01 for share in shares.values()), cell
        assert all(not state.weights[name][~kept].count_nonzero() for name, kept in state.mask.items())


def test_the_page_shows_what_was_forgotten_and_how_deep(controlled, tmp_path):
    study, store = controlled
    page = report(study, tmp_path / "page.html", store=store).read_text("utf-8")
    for chart in ("overlap", "pie-classes", "depth-histogram", "q-score-scatter", "map-pruned"):
        assert f'id="specification-{chart}"' in page


def test_as_published_fine_tunes_contrastive_networks_with_cross_entropy():
    study = shortened("as_published")
    assert study.name == "contrastive-as-published"
    finetuning = study.recipes["supcon_oneshot"].stages[-1]
    assert finetuning.objective.member_name == "cross_entropy"
    assert study.recipes["supcon_oneshot"].stages[1].scope == "global"
    assert load_study("contrastive").recipes["supcon_oneshot"].stages[2].objective.member_name == "supcon"


def test_the_same_study_twice_gives_the_same_numbers(tmp_path):
    study = shortened("as_published")
    tables = []
    for store in ("one", "two"):
        assert run(study, store=tmp_path / store, on="inline").complete
        tables.append(results(study, store=tmp_path / store))
    assert set(tables[0].measure) == MEASURED
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("mode", PRUNED)
def test_the_paper_size_has_thirty_networks_of_each_kind_and_the_published_probes(mode):
    study = load_study("contrastive", size="paper", settings={"mode": mode})
    assert (len(study.seeds), study.model.member_name) == (30, "wrn16_2")
    net = study.model((3, 32, 32), 10)
    depth = next(measure for measure in study.measures if measure.member_name == "prediction_depth")
    from prunescope.measures.inference import Probes

    probes = Probes(layers=depth.layers)._layers(net.eval(), torch.zeros(1, 3, 32, 32))
    assert len(probes) == 16 + 3 + 1  # the published ones, the sums of blocks that widen, the latent


@pytest.mark.soak
@pytest.mark.parametrize("mode", PRUNED)
def test_the_tiny_study_takes_a_minute_and_gives_the_same_numbers_twice(mode, tmp_path):
    study = load_study("contrastive", settings={"mode": mode})
    began = time.perf_counter()
    assert run(study, store=tmp_path / "one", workers=2).complete
    assert time.perf_counter() - began < 60
    assert run(study, store=tmp_path / "two", workers=2).complete
    assert results(study, store=tmp_path / "one").equals(results(study, store=tmp_path / "two"))
