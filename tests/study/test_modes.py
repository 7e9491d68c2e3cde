"""Modes of a study, and dense references that recipes name."""

import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.study import load_study


def raw(**over):
    return {
        "name": "x", "data": "digits", "model": "mlp", "seeds": 1, "measures": ["accuracy"],
        "recipes": {"dense": [{"train": {"until": "1ep"}}]}, **over,
    }  # fmt: skip


MODES = {"short": {"seeds": 2}, "long": {"recipes": {"dense": [{"train": {"until": "9ep"}}]}}}


def test_a_mode_is_laid_over_the_size_and_below_the_settings():
    study = raw(mode="short", modes=MODES, sizes={"small": {"modes": {"short": {"seeds": 3}}}})
    assert len(load_study(study).seeds) == 2
    assert len(load_study(study, size="small").seeds) == 3
    assert load_study(study, settings={"mode": "long"}).recipes["dense"].stages[0].until.epochs == 9
    assert len(load_study(study, settings={"mode": "long"}).seeds) == 1
    assert len(load_study(study, settings={"mode": "short", "seeds": 5}).seeds) == 5


def test_another_model_replaces_the_model_and_its_options():
    study = raw(model={"convnet": {"width": 4}}, sizes={"small": {"model": {"wrn16_2": {"projection": "mlp"}}}})
    assert load_study(study, size="small").model.spec() == {"wrn16_2": {"projection": "mlp"}}
    study["sizes"]["small"]["model"] = {"convnet": {"projection": "mlp"}}
    assert load_study(study, size="small").model.spec() == {"convnet": {"width": 4, "projection": "mlp"}}


def test_an_unknown_mode_and_modes_that_are_no_mapping_are_refused():
    with pytest.raises(PrunescopeError, match=r"unknown mode 'shorter'\. did you mean 'short'"):
        load_study(raw(mode="short", modes=MODES), settings={"mode": "shorter"})
    with pytest.raises(PrunescopeError, match="unknown mode 'any'"):
        load_study(raw(), settings={"mode": "any"})
    with pytest.raises(PrunescopeError, match="modes cannot be read"):
        load_study(raw(modes=["short"]))


def recipes(**against):
    pruned = [{"prune": {"criterion": "magnitude", "sparsity": 0.5}}]
    other = {"stages": pruned, **against}
    return {
        "dense": [{"train": {"until": "1ep"}}], "rival": [{"train": {"until": "2ep"}}],
        "other": other, "further": {"from": "other", "stages": pruned},
    }  # fmt: skip


def test_a_recipe_is_compared_with_the_networks_it_names_and_so_is_what_comes_from_it():
    assert load_study(raw(recipes=recipes())).dense_of("further") == "dense"
    named = load_study(raw(recipes=recipes(against="rival")))
    assert [named.dense_of(name) for name in named.recipes] == ["dense", "rival", "rival", "rival"]


@pytest.mark.parametrize(("against", "told"), [("rivals", "unknown recipe 'rivals'"), ("further", "not dense")])
def test_a_reference_must_be_there_and_dense(against, told):
    with pytest.raises(PrunescopeError, match=told):
        load_study(raw(recipes=recipes(against=against)))
