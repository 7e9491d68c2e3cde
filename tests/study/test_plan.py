import copy

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.plan import plan_study
from prunescope.study.study import load_study

TRAIN = {"train": {"until": "2ep", "batch": 32}}
RAW = {
    "name": "little",
    "data": "digits",
    "model": {"mlp": {"hidden": [8]}},
    "seeds": 2,
    "recipes": {
        "dense": [TRAIN],
        "magnitude": {"from": "dense", "levels": [0.5, 0.9], "stages": [{"prune": "magnitude"}, TRAIN]},
        "imp": {
            "from": "dense",
            "repeat": 2,
            "stages": [
                {"prune": {"criterion": "magnitude", "remove": 0.2}},
                {"rewind": {"to": "weights", "at": "1ep"}},
                {"train": "same"},
            ],
        },
    },
    "measures": ["accuracy", "compression"],
}

GOLDEN = [
    ("dense", "dense", 0, "1e5530cfbab82c1b"),
    ("magnitude", "0.5", 0, "e3a7f7afdabc41e1"),
    ("magnitude", "0.9", 0, "05d163baf6a1087e"),
    ("imp", "round 1", 0, "e21fdd07838956da"),
    ("imp", "round 2", 0, "e445302ec83c6b6e"),
]
GOLDEN_DATA = "be72ffad7c63143d"


def raw(**changes):
    return copy.deepcopy(RAW) | changes


def plan(**changes):
    return plan_study(load_study(raw(**changes)))


def kinds(made):
    return {kind: sum(n.kind == kind for n in made.nodes.values()) for kind in {n.kind for n in made.nodes.values()}}


def test_expands_to_the_nodes_one_expects():
    # 2 seeds: dense 1 train; 2 levels: 2 prune + 2 train; 2 rounds: 2 prune, 2 rewind, 2 train, 1 shared early train
    assert kinds(plan()) == {
        "data": 1, "init": 2, "train": 2 * (1 + 2 + 2 + 1), "prune": 8, "rewind": 4, "logits": 10, "measure": 10
    }  # fmt: skip


def test_every_node_stands_after_its_inputs():
    seen = set()
    for key, node in plan().nodes.items():
        assert set(node.input_keys()) <= seen
        seen.add(key)


def test_recipes_that_begin_alike_share_the_dense_network():
    assert kinds(plan(recipes={"dense": [TRAIN], "twin": [TRAIN]}))["train"] == 2


def test_the_name_of_a_study_its_recipes_and_its_budget_are_not_part_of_identity():
    other = plan(name="other", budget={"accuracy": {"drop": 2}}, question="Why?")
    assert other.nodes.keys() == plan().nodes.keys()


@pytest.mark.parametrize(
    "changes",
    [{"model": {"mlp": {"hidden": [9]}}}, {"validation": 0.2}, {"recipes": {"dense": [{"train": {"until": "3ep"}}]}}],
)
def test_what_changes_the_result_changes_the_key(changes):
    assert not {c.state for c in plan(**changes).cells} & {c.state for c in plan().cells}


def test_an_option_at_its_default_does_not_change_the_key():
    spelled = copy.deepcopy(RAW)
    spelled["recipes"]["dense"] = [{"train": {**TRAIN["train"], "objective": "cross_entropy", "lr": "constant"}}]
    assert plan_study(load_study(spelled)).cells[0].state == plan().cells[0].state


def test_golden_keys():
    """These keys are a promise to every store in the world: when this test fails, raise a version instead."""
    made = plan()
    assert [(cell.recipe, cell.level, cell.seed, cell.state[:16]) for cell in made.cells if cell.seed == 0] == GOLDEN
    assert made.data[:16] == GOLDEN_DATA


def test_cells_carry_levels_and_sparsities():
    cells = [(c.recipe, c.level, round(c.sparsity, 3)) for c in plan().cells if c.seed == 1]
    assert cells == [
        ("dense", "dense", 0.0), ("magnitude", "0.5", 0.5), ("magnitude", "0.9", 0.9),
        ("imp", "round 1", 0.2), ("imp", "round 2", 0.36),
    ]  # fmt: skip


def test_measures_that_read_no_logits_run_once_for_all_views():
    made = plan(views=["test", "validation"])
    counts = {name: sum(item.measure == name for item in made.measured) for name in ("accuracy", "compression")}
    assert counts == {"accuracy": 10, "compression": 5}


def test_rewinding_without_a_training_is_refused():
    with pytest.raises(PrunescopeError, match="no training before it"):
        plan(recipes={"dense": [{"rewind": {"to": "weights"}}]})


def test_planning_does_not_touch_the_data(monkeypatch):
    def refuse(self):
        raise AssertionError("loaded")

    monkeypatch.setattr("prunescope.data.sources.digits.Digits.load", refuse)
    assert plan().nodes


def test_draws_prune_each_network_several_times_and_are_shown_to_measures_of_draws_alone():
    stages = [{"prune": "random"}, TRAIN, {"rewind": {"to": "weights", "at": "1ep"}}]
    recipes = {"dense": [TRAIN], "random": {"from": "dense", "levels": [0.5], "draws": 3, "stages": stages}}
    drawn, once = plan(recipes=recipes), plan(recipes=recipes | {"random": recipes["random"] | {"draws": 1}})
    cells = [cell for cell in drawn.cells if cell.recipe == "random"]
    assert [(cell.seed, cell.draw) for cell in cells] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert len({cell.state for cell in cells}) == 6
    assert set(once.nodes) < set(drawn.nodes)
    assert [item.key for item in once.measured] == [item.key for item in drawn.measured]
    early = {drawn.nodes[cell.state].inputs["early"] for cell in cells}
    assert len(early) == 2, "all draws rewind to the first training, that of their parent"


STUDENTS = {"data": {"teacher": {"inputs": 10}}, "model": "committee"}
DRAWN = {
    "dense": [{"online": 10}],
    "random": {"from": "dense", "levels": [0.5], "draws": 2, "stages": [{"prune": "random"}]},
}


def test_a_measure_of_draws_is_shown_each_beside_its_parent():
    made = plan(**STUDENTS, recipes=DRAWN, measures=["order_parameters", "compression"])
    shown = {item.measure: made.nodes[item.key].inputs for item in made.measured if item.recipe == "random"}
    parents = [cell.state for cell in made.cells if cell.recipe == "dense"]
    assert shown["order_parameters"]["dense_state"] == (parents[0],) * 2 + (parents[1],) * 2
    assert len(set(shown["order_parameters"]["pruned_state"])) == 4
    assert shown["compression"]["dense_state"] == tuple(parents)
    assert {len(item.seeds) for item in made.measured} == {2}


def test_a_measure_of_dense_networks_is_not_shown_pruned_ones():
    made = plan(**STUDENTS, recipes=DRAWN, measures=["learning_curve", "compression"])
    assert [(item.measure, item.recipe) for item in made.measured] == [
        ("learning_curve", "dense"), ("compression", "dense"), ("compression", "random")
    ]  # fmt: skip


def test_draws_without_pruning_are_refused():
    with pytest.raises(PrunescopeError, match="draws belong to a recipe that prunes"):
        plan(recipes={"dense": {"draws": 2, "stages": [TRAIN]}})
