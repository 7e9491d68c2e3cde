"""The preset statistical-mechanics: its budgets, a shrunken run beside the closed forms, and its page."""

import pytest

from prunescope.pruning.parity import edges_for_nodes
from prunescope.study.plan import plan_study
from prunescope.study.report import report
from prunescope.study.run import results, run
from prunescope.study.study import load_study

NAME = "statistical-mechanics"
SHRUNKEN = {
    "data.teacher.inputs": 40,
    "data.teacher.train": 400,
    "seeds": 2,
    "recipes.trained.stages.0.online.samples": 20_000,
    **{
        f"recipes.{name}.stages.0.prune.sample": 200
        for name in ("dpp_edge", "dpp_node", "dpp_edge_reweighted", "dpp_node_reweighted")
    },
    **{
        f"recipes.{name}.draws": 2
        for name in (
            "random_edge",
            "dpp_edge",
            "random_node",
            "dpp_node",
            "random_node_reweighted",
            "dpp_node_reweighted",
        )
    },
    "recipes.dpp_edge_reweighted.draws": 1,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study, store = load_study(NAME, settings=SHRUNKEN), tmp_path_factory.mktemp(NAME) / "store"
    assert run(study, store=store, on="inline").complete
    return study, store


@pytest.fixture(scope="module")
def errors(finished):
    """Mean generalisation errors by recipe and level."""
    study, store = finished
    rows = results(study, store=store)
    own = rows[(rows["measure"] == "order_parameters") & (rows["quantity"] == "error") & rows["seed"].isna()]
    return {(row.recipe, row.level): row.value for row in own.itertuples()}


@pytest.mark.parametrize("size", ["tiny", "small", "paper"])
def test_edge_levels_cost_what_node_levels_do(size):
    study = load_study(NAME, size=size)
    inputs, hidden = study.data.inputs, study.model.hidden
    levels = {name: [level.sparsity for level in recipe.expand()] for name, recipe in study.recipes.items()}
    nodes = [hidden - round(s * hidden) for s in levels["random_node"]]
    edges = [inputs - round(s * inputs * hidden) // hidden for s in levels["random_edge"]]
    assert edges == [edges_for_nodes(k, inputs=inputs, hidden=hidden, outputs=1) for k in nodes]
    assert all(levels[name] == levels["random_edge"] for name in levels if "edge" in name)
    assert all(levels[name] == levels["random_node"] for name in levels if "node" in name)


def test_sizes_differ_in_size_alone():
    tiny, small, paper = (load_study(NAME, size=size) for size in ("tiny", "small", "paper"))
    assert list(tiny.recipes) == list(small.recipes) == list(paper.recipes)
    assert (small.data.inputs, small.model.hidden, len(small.seeds)) == (500, 6, 10)
    assert small.recipes["trained"].stages[0].samples == 800_000
    assert paper.model.hidden == 20 and paper.data.noise == 0.25
    assert len(plan_study(small).nodes) > 1000


def test_every_level_is_measured(errors):
    assert len(errors) == 2 + 5 * 9 and all(error >= 0 for error in errors.values())
    assert errors["trained", "dense"] < 0.1


def test_published_orders_hold(errors):
    """Importance < determinantal < random edges; a refitted second layer mends what is lost with nodes."""
    for level in ("0.34", "0.5", "0.67"):
        edges = [errors[f"{name}_edge", level] for name in ("importance", "dpp", "random")]
        assert edges == sorted(edges)
    for level in ("0.1667", "0.3333", "0.5"):
        assert errors["random_node_reweighted", level] < 0.5 * errors["random_node", level]


def test_the_page_tells_theory(finished, tmp_path):
    study, store = finished
    page = report(study, tmp_path / "report.html", store=store).read_text()
    assert '<section id="theory"' in page and "Students end learning at an error of" in page
    assert "keeps every promise up to" in page


@pytest.mark.soak
def test_the_tiny_size_takes_less_than_a_minute_on_two_cores(tmp_path):
    summary = run(NAME, store=tmp_path / "store", workers=2)
    assert summary.complete and summary.seconds < 60
