"""Filters in a study: budgets in weights, what is useless removed too, and what it really saves."""

import pytest

from prunescope.study.plan import plan_study
from prunescope.study.run import results, run
from prunescope.study.study import load_study

PRUNED = {
    "filter_norm": {"filter_norm": {"count": "weights"}},
    "pfp": {"pfp": {"count": "weights"}},
    "random_filter": {"random_filter": {"count": "weights"}},
    "magnitude": "magnitude",
}
STUDY = {
    "name": "filters", "data": "digits", "model": "convnet", "seeds": 1,
    "measures": ["accuracy", "compression", {"shrinking": {"batch": 4, "repeats": 4}}],
    "recipes": {
        "dense": [{"train": {"until": "4ep", "batch": 64, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}}],
        **{
            name: {
                "from": "dense",
                "levels": [0.3, 0.6],
                "stages": [{"prune": {"criterion": criterion}}, {"propagate": {"single": False}}, {"recalibrate": {}}],
            }
            for name, criterion in PRUNED.items()
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    store = tmp_path_factory.mktemp("filters")
    assert run(STUDY, store=store, on="inline").complete
    table = results(STUDY, store=store)
    return table[table.item.fillna("").eq("") & table.seed.isna()]


def value(table, recipe, level, measure, quantity):
    rows = table[(table.recipe == recipe) & (table.measure == measure) & (table.quantity == quantity)]
    return rows[rows.sparsity.sub(level).abs() < 1e-9].iloc[0]


def test_filters_are_as_many_as_fit(table):
    for recipe in ("filter_norm", "pfp", "random_filter"):
        for level in (0.3, 0.6):
            assert 0 <= value(table, recipe, level, "compression", "sparsity").value - level <= 0.02


def test_what_is_removed_is_what_the_mask_says_and_dead_norms(table):
    for recipe in ("filter_norm", "pfp", "random_filter"):
        for level in (0.3, 0.6):
            adds = [
                value(table, recipe, level, measure, "multiply_adds").value for measure in ("compression", "shrinking")
            ]
            assert adds[0] == adds[1]
            left = [value(table, recipe, level, measure, "parameters") for measure in ("compression", "shrinking")]
            assert left[1].value < left[0].value < left[1].floor
            assert value(table, recipe, level, "shrinking", "measured_speedup").value > 0


def test_single_weights_remove_nothing(table):
    rows = table[(table.recipe == "magnitude") & (table.measure == "shrinking")]
    assert set(rows.status) == {"not applicable"}
    assert rows.reason.str.contains("single weights").all()


def test_chosen_filters_beat_random_ones(table):
    told = {r: value(table, r, 0.3, "accuracy", "accuracy").value for r in ("filter_norm", "pfp", "random_filter")}
    assert min(told["filter_norm"], told["pfp"]) > told["random_filter"]


def test_sensitivities_are_taken_once_for_all_levels():
    plan = plan_study(load_study(STUDY))
    assert sum(node.kind == "sampled" for node in plan.nodes.values()) == 1
