import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.training import Prune, Train, parse_recipes

TRAIN = {"train": {"until": "2ep"}}
PRUNE = {"prune": {"criterion": "magnitude", "remove": 0.2}}


def recipes(**raw):
    return parse_recipes(raw, "study.yaml")


def test_a_list_is_stages_and_the_parent_stands_first():
    parsed = recipes(child={"from": "dense", "stages": [PRUNE, TRAIN]}, dense=[TRAIN])
    assert list(parsed) == ["dense", "child"]
    assert isinstance(parsed["dense"].stages[0], Train)


def test_train_same_is_the_last_train_of_the_recipes_it_comes_from():
    parsed = recipes(
        dense=[{"train": {"until": "1ep"}}, TRAIN],
        pruned={"from": "dense", "stages": [PRUNE]},
        again={"from": "pruned", "stages": [PRUNE, {"rewind": "lr"}, {"train": "same"}]},
    )
    assert parsed["again"].stages[2] == parsed["dense"].stages[1]


def test_a_training_can_be_that_of_another_recipe_with_other_options():
    same = {"train": {"same": "dense", "batch": 7}}
    parsed = recipes(first=[{"train": {"until": "1ep"}}, same], dense=[TRAIN], child={"from": "dense", "stages": []},
                     last=[{"train": {"same": "child"}}])  # fmt: skip
    assert list(parsed) == ["dense", "first", "child", "last"]
    assert parsed["first"].stages[1] == parsed["dense"].stages[0].model_copy(update={"batch": 7})
    assert parsed["last"].stages == parsed["dense"].stages


def test_levels_fill_the_open_amount_and_start_from_the_parent_or_the_level_before():
    shot = recipes(dense=[TRAIN], shot={"from": "dense", "levels": [0.5, 0.9], "stages": [{"prune": "magnitude"}]})[
        "shot"
    ]
    levels = shot.expand()
    assert [(level.label, level.sparsity, level.after) for level in levels] == [("0.5", 0.5, None), ("0.9", 0.9, None)]
    assert [stage.sparsity for level in levels for stage in level.stages if isinstance(stage, Prune)] == [0.5, 0.9]
    assert [level.after for level in shot.model_copy(update={"cascade": True}).expand()] == [None, 0]


def test_rounds_continue_each_other_and_their_sparsity_accumulates():
    imp = recipes(dense=[TRAIN], imp={"from": "dense", "repeat": 3, "stages": [PRUNE]})["imp"]
    assert [level.label for level in imp.expand()] == ["round 1", "round 2", "round 3"]
    assert [round(level.sparsity, 6) for level in imp.expand()] == [0.2, 0.36, 0.488]
    assert [level.after for level in imp.expand()] == [None, 0, 1]
    assert imp.expand(0.5)[0].sparsity == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"a": {"from": "b", "stages": [TRAIN]}, "b": {"from": "a", "stages": [TRAIN]}}, "in a circle"),
        ({"a": {"from": "dens", "stages": [TRAIN]}, "dense": [TRAIN]}, "did you mean 'dense'"),
        ({"a": [{"train": "same"}]}, "no training before it"),
        ({"a": [{"train": {"same": "b"}}], "b": [PRUNE]}, "no training before it"),
        ({"a": [{"train": {"same": "b"}}], "b": [{"train": {"same": "a"}}]}, "in a circle; got a → b → a"),
        ({"a": [{"train": {"same": "dens"}}], "dense": [TRAIN]}, "0.train.same: unknown .* did you mean 'dense'"),
        ({"a": [{"train": {"same": "dense", "untl": 3}}], "dense": [TRAIN]}, "did you mean 'until'"),
        ({"a": {"levels": [0.5], "stages": [TRAIN]}}, "levels belong to a prune stage"),
        ({"a": [{"prune": "magnitude"}]}, "levels belong to a prune stage"),
        ({"a": {"levels": [0.9, 0.5], "stages": [{"prune": "magnitude"}]}}, "levels must rise"),
        ({"a": {"levels": [0.5], "repeat": 2, "stages": [{"prune": "magnitude"}]}}, "exclude each other"),
        ({"a": {"levels": [1.0], "stages": [{"prune": "magnitude"}]}}, "less than 1"),
        ({"a": {"stages": "train"}}, "stages are missing"),
        ({"a": [{"trian": {"until": "2ep"}}]}, "did you mean 'train'"),
        ({"a": {"stages": [TRAIN], "reapeat": 2}}, "did you mean 'repeat'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(raw, told):
    with pytest.raises(PrunescopeError, match=told) as caught:
        recipes(**raw)
    assert "study.yaml: recipes.a" in str(caught.value) or "circle" in told
