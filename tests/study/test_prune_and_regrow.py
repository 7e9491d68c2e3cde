"""The study prune-and-regrow: a shrunken run from training to the page, and its published setting."""

import time

import pytest
import torch

from prunescope.models import build
from prunescope.pruning import prunable
from prunescope.study.artefacts import read_state
from prunescope.study.plan import plan_study
from prunescope.study.report import report
from prunescope.study.run import results, run
from prunescope.study.store import Store
from prunescope.study.study import load_study

NAME = "prune-and-regrow"
SHORT = {
    "seeds": 1,
    "model": {"resnet18": {"width": 4, "head": "hidden"}},
    "recipes.pretrained.stages.0.train.until": "1ep",
    "recipes.dense.stages.0.train.until": "1ep",
    **{f"recipes.{name}.levels": [0.3] for name in ("pruned", "regrown", "early_pruned", "early_regrown")},
}


@pytest.fixture(scope="module")
def short():
    return load_study(NAME, settings=SHORT)


@pytest.fixture(scope="module")
def store(tmp_path_factory, short):
    place = tmp_path_factory.mktemp("life") / "store"
    assert run(short, store=place, on="inline").complete
    return Store(place)


@pytest.fixture(scope="module")
def reached(store, short):
    """The last state of each recipe."""
    return {cell.recipe: read_state(store, cell.state)[0] for cell in plan_study(short).cells}


def test_variants_that_begin_alike_are_trained_once(short):
    kinds = [node.kind for node in plan_study(short).nodes.values()]
    assert len(short.recipes) == 11
    assert (kinds.count("train"), kinds.count("prune"), kinds.count("regrow")) == (12, 2, 2)


def test_all_variants_are_held_against_the_fine_tuned_network(short):
    assert {short.dense_of(name) for name in short.recipes} == {"dense"}


def test_masks_hold_and_what_grew_back_is_counted(reached):
    for name in ("pruned", "early_pruned"):
        assert reached[name].mask.sparsity == pytest.approx(0.3, abs=1e-4)
    for name in ("regrown", "early_regrown"):
        assert reached[name].mask.sparsity == 0
    masked, grown = reached["pruned"], reached["regrown"]
    revived = {name: grown.weights[name][~kept] for name, kept in masked.mask.items()}
    assert sum(int(weights.count_nonzero()) for weights in revived.values()) > 0
    assert int((revived["layer1.0.conv1.weight"] == 0).sum()) == 0


def test_at_the_last_layer_of_small_images_most_of_a_kernel_meets_padding_only_and_never_grows(reached):
    """Images of 1×1 meet the middle of a 3×3 kernel alone: eight of nine weights have no gradient."""
    weights = reached["regrown"].weights["layer4.1.conv2.weight"]
    zeros = (weights == 0).sum((0, 1))
    assert zeros[1, 1] == 0 and all(zeros.flatten()[i] > 0 for i in range(9) if i != 4)


def test_frozen_layers_are_those_of_the_pretrained_network_bit_for_bit(reached):
    sizes = {name: len(reached[name].frozen) for name in ("frozen_10", "frozen_20", "frozen_30")}
    assert 0 < sizes["frozen_10"] < sizes["frozen_20"] < sizes["frozen_30"]
    for name in sizes:
        for tensor in reached[name].frozen:
            assert torch.equal(reached[name].weights[tensor], reached["pretrained"].weights[tensor])
    assert {"bn1.running_mean", "bn1.num_batches_tracked", "conv1.weight"} <= reached["frozen_10"].frozen


def test_the_page_and_the_table_tell_the_life(store, short, tmp_path):
    page = report(short, tmp_path / "life.html", store=store.root).read_text()
    assert "From epoch to epoch" in page and "grew back once the mask was lifted" in page
    table = results(short, store=store.root)
    life = table[(table["measure"] == "history") & (table["item"] == "")]
    assert set(life[life["quantity"] == "regrown_share"]["recipe"]) == {"regrown", "early_regrown"}
    assert set(life[life["quantity"] == "validation_accuracy"]["recipe"]) == set(short.recipes) - {"pretrained"}


def test_the_paper_size_is_the_published_setting():
    study = load_study(NAME, size="paper")
    net = build(study.model, (3, 32, 32), 10, seed=0)
    assert len(prunable(net)) == 22
    assert [layer.out_features for layer in net.fc if hasattr(layer, "out_features")] == [100, 10]
    assert study.normalize.mean == (0.4914, 0.4822, 0.4465) and study.normalize.std == (0.2023, 0.1994, 0.2010)
    assert study.init.leave_out == ("fc",) and study.recipes["pretrained"].stages == ()
    trains = [s for r in study.recipes.values() for s in r.stages if s.member_name == "train"]
    assert len(trains) == 13
    for train in trains:
        assert (str(train.until), train.batch, train.optimizer.spec()) == ("600ep", 128, {"adam": {}})
        assert [a.spec() for a in train.augment] == [{"flip": {}}] and train.lr.spec() == {"constant": {}}
    assert [train.objective.member_name for train in trains].count("softmax_cross_entropy") == 1
    for name in ("pruned", "regrown", "early_pruned", "early_regrown"):
        assert [level.sparsity for level in study.recipes[name].expand()] == [0.1, 0.2, 0.3]


@pytest.mark.soak
def test_the_tiny_size_takes_less_than_a_minute(tmp_path):
    began = time.perf_counter()
    assert run(NAME, store=tmp_path / "store", workers=2).complete
    assert time.perf_counter() - began < 60
