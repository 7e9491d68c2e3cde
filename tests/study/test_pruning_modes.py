"""Ways of pruning as studies: a cascade with steps on the way and weight rewinding; what refitting gives back."""

import copy
from itertools import pairwise

import pytest
import torch

from prunescope.pruning import Mask
from prunescope.study.plan import plan_study
from prunescope.study.run import results, run
from prunescope.study.store import Store
from prunescope.study.study import load_study

BASE = {
    "name": "modes", "data": "digits", "model": {"mlp": {"hidden": [32, 16], "activation": "sigmoid"}}, "seeds": 2,
    "measures": ["accuracy"],
    "recipes": {"dense": [{"train": {
        "until": "30ep", "batch": 64, "optimizer": {"sgd": {"lr": 0.5, "momentum": 0.9}},
    }}]},
}  # fmt: skip


def with_recipes(**recipes):
    raw = copy.deepcopy(BASE)
    raw["recipes"] |= {name: {"from": "dense", **recipe} for name, recipe in recipes.items()}
    return raw


def states(raw, store, recipe, seed=0):
    """Return plan and, for each node that leads to a recipe's last state, its kind and tensors in order."""
    plan = plan_study(load_study(raw))
    key = [cell.state for cell in plan.cells if (cell.recipe, cell.seed) == (recipe, seed)][-1]
    chain = []
    while key:
        chain.append((plan.nodes[key].kind, Store(store).read("state", key).tensors))
        key = plan.nodes[key].inputs.get("state", "")
    return chain[::-1]


def mask_of(tensors):
    return Mask({name.removeprefix("mask/"): t.bool() for name, t in tensors.items() if name.startswith("mask/")})


def test_a_cascade_with_steps_rewinds_weights_and_trains_at_each_level(tmp_path):
    raw = with_recipes(
        cascade={
            "cascade": True,
            "levels": [[0.2, 0.4], [0.5, 0.6]],
            "stages": [{"prune": "sipp"}, {"rewind": {"to": "weights", "at": "1ep"}}, {"train": "same"}],
        }
    )
    raw["seeds"], raw["recipes"]["dense"][0]["train"]["until"] = 1, "3ep"
    assert run(raw, store=tmp_path, on="inline").complete
    chain = states(raw, tmp_path, "cascade")
    assert [kind for kind, _ in chain] == ["init", "train", *["prune", "prune", "rewind", "train"] * 2]
    masks = [mask_of(tensors) for _, tensors in chain]
    total = masks[0].total
    told = [total - mask.kept for mask in masks]
    assert told == [0, 0, *(round(s * total) for s in (0.2, 0.4, 0.4, 0.4, 0.5, 0.6, 0.6, 0.6))]
    assert all(later.within(earlier) for earlier, later in pairwise(masks))
    first, second = chain[4][1], chain[8][1]
    for name, kept in masks[8].items():
        assert torch.equal(second[f"weights/{name}"], first[f"weights/{name}"] * kept)  # both go back to 1 epoch
    assert not second["weights/linear1.weight"].equal(chain[7][1]["weights/linear1.weight"])


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    """Accuracy by recipe at one level where refitting matters."""
    rest = ["linear2", "linear3"]
    prunes = {
        name: {"prune": {"criterion": name, "ignore": rest}} for name in ("importance_edge", "random_edge", "dpp_edge")
    } | {
        name: {"prune": {"criterion": {name: {"layers": ["linear1"]}}, "parity": True}}
        for name in ("importance_node", "random_node", "dpp_node")
    }
    recipes = {name: {"levels": [0.7], "stages": [prune]} for name, prune in prunes.items()}
    recipes |= {f"{name}+": {"levels": [0.7], "stages": [prune, "reweight"]} for name, prune in prunes.items()}
    raw, store = with_recipes(**recipes), tmp_path_factory.mktemp("modes")
    assert run(raw, store=store, on="inline").complete
    rows = results(raw, store=store)
    rows = rows[(rows.quantity == "accuracy") & rows.item.eq("") & rows.seed.isna()]
    return dict(zip(rows.recipe, rows.value, strict=True))


def test_without_refitting_importance_wins_and_random_loses(accuracy):
    assert accuracy["dense"] > 0.9
    assert accuracy["random_edge"] < accuracy["dpp_edge"] < accuracy["importance_edge"]
    assert accuracy["random_edge"] < accuracy["dense"] - 0.2


def test_refitting_helps_everything_and_closes_the_gap(accuracy):
    edges, nodes = ("importance_edge", "random_edge", "dpp_edge"), ("importance_node", "random_node", "dpp_node")
    assert all(accuracy[f"{name}+"] > accuracy[name] for name in ("random_edge", "dpp_edge", *nodes))
    spread = [
        max(values) - min(values) for values in ([accuracy[n] for n in edges], [accuracy[f"{n}+"] for n in edges])
    ]
    assert spread[1] < 0.5 * spread[0]
