"""What criteria take from data: the same whether computed beforehand or on the way, and computed once in a study."""

import copy
from dataclasses import replace

import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset
from prunescope.pruning import CRITERIA
from prunescope.pruning.criteria.snip import loss_gradients
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.store import Store
from prunescope.study.study import load_study
from prunescope.training import STAGES, Prune

LOOKING = [
    name
    for name in CRITERIA.names()
    if CRITERIA.get(name)().statistic is not None and CRITERIA.get(name).unit == "weight"
]
RAW = {
    "name": "looking", "data": "digits", "model": {"mlp": {"hidden": [12, 8]}}, "seeds": 1, "measures": ["compression"],
    "recipes": {
        "dense": [{"train": {"until": "1ep"}}],
        "sipp": {"from": "dense", "levels": [0.3, 0.6, 0.9], "stages": [{"prune": "sipp"}]},
        "shuffled": {"from": "dense", "levels": [0.6], "stages": [{"prune": {"criterion": {"shuffled": "sipp"}}}]},
        "few": {"from": "dense", "levels": [0.6], "stages": [{"prune": {"criterion": "sipp", "sample": 20}}]},
        "nodes": {"from": "dense", "levels": [0.25, 0.5], "stages": [{"prune": "dpp_node"}, "reweight"]},
        "plain": {"from": "dense", "levels": [0.25], "stages": [{"prune": "dpp_node"}]},
    },
}  # fmt: skip


def made(**recipes):
    raw = copy.deepcopy(RAW)
    raw["recipes"] |= recipes
    return plan_study(load_study(raw))


@pytest.mark.parametrize("name", LOOKING)
def test_stored_or_computed_on_the_way_is_the_same(name, state, context):
    stage = Prune(criterion=CRITERIA.get(name)(), sparsity=0.5, ignore=("0",))
    stored = stage.sampled(state, context)
    blind = replace(context, sampled=stored, split=None)
    assert stage(state, blind).mask == stage(state, context).mask
    assert not stage.needs_data


def test_the_sample_is_the_rule_but_at_most_half_of_the_validation_images(state, context, data, monkeypatch):
    seen = []
    real = loss_gradients
    place = "prunescope.pruning.criteria.snip.loss_gradients"
    monkeypatch.setattr(place, lambda *given: seen.append(len(given[2])) or real(*given))
    for sample in (None, 7, 50):
        Prune(criterion=CRITERIA.build("snip"), sparsity=0.5, sample=sample)(state, context)
    assert seen == [25, 7, 50]
    none = Dataset(images=data.images[:0], labels=data.labels[:0], classes=data.classes)
    for sample, there, told in ((51, data, "at least 51"), (None, none, "at least 2")):
        with pytest.raises(PrunescopeError, match=f"{told}.*validation share"):
            Prune(criterion=CRITERIA.build("snip"), sparsity=0.5, sample=sample)(
                state, replace(context, split=lambda name, there=there: there)
            )


def test_levels_and_criteria_share_one_statistic():
    nodes = [node for node in made().nodes.values() if node.kind == "sampled"]
    assert sorted(node.payload["statistic"].popitem()[0] for node in nodes) == ["node_moments", *["sensitivities"] * 2]
    pruned = [node for node in made().nodes.values() if node.kind == "prune"]
    assert len(pruned) == 7  # the two recipes of nodes share their first level
    assert all("data" not in node.inputs and "sampled" in node.inputs for node in pruned)


def test_reweighting_compares_with_the_state_before_the_pruning():
    plan = made()
    for node in plan.nodes.values():
        if node.kind == "reweight":
            assert node.inputs["whole"] == plan.nodes[node.inputs["state"]].inputs["state"]
            assert plan.nodes[node.inputs["whole"]].kind == "train"


def test_a_study_computes_each_statistic_once_and_reweights(tmp_path):
    assert run(copy.deepcopy(RAW), store=tmp_path, on="inline").complete
    store, plan = Store(tmp_path), made()
    sampled = [key for key, node in plan.nodes.items() if node.kind == "sampled"]
    assert all(store.has("sampled", key) for key in sampled)
    nodes = {cell.recipe: store.read("state", cell.state).tensors for cell in plan.cells if cell.level == "0.25"}
    assert torch.equal(nodes["nodes"]["mask/linear2.weight"], nodes["plain"]["mask/linear2.weight"])
    assert not torch.equal(nodes["nodes"]["weights/linear2.weight"], nodes["plain"]["weights/linear2.weight"])
    kept = nodes["nodes"]["mask/linear2.weight"].bool()
    assert not nodes["nodes"]["weights/linear2.weight"][~kept].any()


def test_as_many_nodes_stay_as_cost_the_edges(tmp_path):
    raw = copy.deepcopy(RAW)
    parity = {"prune": {"criterion": {"random_node": {"layers": ["linear1"]}}, "parity": True}}
    raw["recipes"] = {"dense": RAW["recipes"]["dense"], "a": {"from": "dense", "levels": [0.5], "stages": [parity]}}
    assert run(raw, store=tmp_path, on="inline").complete
    cell = next(cell for cell in plan_study(load_study(raw)).cells if cell.recipe == "a")
    mask = Store(tmp_path).read("state", cell.state).tensors["mask/linear1.weight"].bool()
    assert int(mask.any(1).sum()) == -(-12 * (32 + 8) // (64 + 8))  # ⌈K (e + M) / (N + M)⌉


@pytest.mark.parametrize("options", [{"criterion": "magnitude"}, {"criterion": "random_node", "remove": 0.2}])
def test_parity_is_of_nodes_with_a_sparsity(options):
    with pytest.raises(PrunescopeError, match="parity is of nodes"):
        STAGES.build({"prune": {**options, "parity": True}})
