"""The preset lost-in-pruning from end to end, shrunken; in full it is a soak test."""

import pytest

from prunescope import load_study, report, results, run
from prunescope.study.plan import plan_study

SHORT = {"train": {"until": "2ep", "batch": 64, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}}
SHRUNK = {
    "recipes.dense.stages": [SHORT],
    "recipes.wt.levels": [0.5, 0.9],
    "recipes.sipp.levels": [0.5],
    "recipes.ft.levels": [0.5],
    "recipes.pfp.levels": [0.5],
    "views": ["test", "corruption/{fog,impulse_noise}/3[100]", "noise/uniform_noise/{0,0.2}[60]"],
    "measures": [
        "accuracy",
        "prune_potential",
        "excess_error",
        {"noise_similarity": {"draws": 2}},
        {"informative_pixels": {"images": 2, "algorithm": "rounds", "share": 0.5}},
    ],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    store = tmp_path_factory.mktemp("lost") / "store"
    study = load_study("lost-in-pruning", settings=SHRUNK)
    assert run(study, store=store, on="inline").complete
    return study, store


def test_every_measure_speaks_of_every_recipe(ran):
    study, store = ran
    table = results(study, store=store)
    for measure in ("prune_potential", "excess_error", "informative_pixels"):
        assert set(table[table.measure == measure].recipe) == {"wt", "sipp", "ft", "pfp"}
    potentials = table[(table.quantity == "potential") & table.seed.isna()]
    assert set(potentials.item) == {view.name for view in study.views}
    noisy = table[table.measure == "noise_similarity"]
    assert set(noisy.view) == {"noise/uniform_noise/0.0[60]", "noise/uniform_noise/0.2[60]"}
    assert noisy[noisy.recipe == "dense"].query("quantity == 'agreement'").value.eq(1).all()
    assert noisy[noisy.seed.isna()].floor.notna().all()


def test_each_network_looks_at_each_view_once_whatever_is_measured(ran):
    study, _ = ran
    plan = plan_study(study)
    looks = [node for node in plan.nodes.values() if node.kind == "logits"]
    networks = {cell.state for cell in plan.cells}
    assert len(looks) == len(networks) * len(study.views)
    fewer = plan_study(study.model_copy(update={"measures": study.measures[:1]}))
    assert {key for key, node in fewer.nodes.items() if node.kind == "logits"} == {node.key for node in looks}


def test_noise_of_size_zero_is_the_view_itself(ran):
    study, store = ran
    table = results(study, store=store)
    zero = table[(table.view == "noise/uniform_noise/0.0[60]") & (table.recipe == "wt")]
    worst, mean = (zero[(zero.quantity == q) & zero.seed.isna()].value for q in ("worst_case", "agreement"))
    assert worst.tolist() == mean.tolist()


def test_the_page_tells_it(ran, tmp_path):
    study, store = ran
    page = report(study, tmp_path / "page.html", store=store).read_text("utf-8")
    assert "prune_potential" in page


@pytest.mark.parametrize("mode", ["nominal", "robust"])
@pytest.mark.parametrize("size", ["tiny", "small", "paper"])
def test_all_four_methods_go_on_from_level_to_level_with_the_whole_schedule(size, mode):
    study = load_study("lost-in-pruning", size=size, settings={"mode": mode})
    augmented = [augment.member_name for augment in study.recipes["dense"].stages[0].augment]
    assert ("corrupt" in augmented) == (mode == "robust")
    for name in ("wt", "sipp", "ft", "pfp"):
        recipe = study.recipes[name]
        assert recipe.cascade
        assert [stage.member_name for stage in recipe.stages] == ["prune", "rewind", "train"]
    assert len([view for view in study.views if view.kind == "corruption"]) >= 18


@pytest.mark.parametrize(
    ("network", "epochs", "retraining", "levels", "robust_levels"),
    [
        ("resnet56", 182, 182, 20, 16),
        ("resnet110", 182, 182, 20, 16),
        ("vgg16", 300, 150, 20, 16),
        ("densenet22", 300, 300, 22, 13),
        ("wrn16-8", 200, 200, 23, 16),
    ],
)
def test_the_published_networks_are_modes_of_the_paper_size(network, epochs, retraining, levels, robust_levels):
    for mode, count in ((network, levels), (f"{network}-robust", robust_levels)):
        study = load_study("lost-in-pruning", size="paper", settings={"mode": mode})
        assert study.model.member_name == network.replace("-", "_")
        training = study.recipes["dense"].stages[0]
        assert training.until.epochs == epochs
        assert ("corrupt" in [augment.member_name for augment in training.augment]) == mode.endswith("robust")
        for name in ("wt", "sipp", "ft", "pfp"):
            assert len(study.recipes[name].levels) == count
            again = study.recipes[name].stages[-1]
            assert again == training.model_copy(update={"until": again.until})
            assert again.until.epochs == retraining


@pytest.mark.soak
def test_the_tiny_study_in_full(tmp_path):
    store = tmp_path / "store"
    assert run("lost-in-pruning", store=store).complete
    table = results("lost-in-pruning", store=store)
    pixels = table[(table.measure == "informative_pixels") & (table.recipe == "wt")].set_index("item").value
    assert pixels["dense → 0.8"] > pixels["dense → separate"]
    whole = table[(table.measure == "prune_potential") & (table.recipe == "wt") & (table.quantity == "mean")]
    by_group = whole.set_index("item").value
    assert by_group["test distribution"] < by_group["train distribution"]
