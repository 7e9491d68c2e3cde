import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.study.study import load_study, parse_place, parse_setting, preset_names
from tests.study.test_plan import RAW, raw


def test_reads_a_mapping_and_a_file_alike(tmp_path):
    import yaml

    path = tmp_path / "little.yaml"
    path.write_text(yaml.safe_dump(RAW))
    assert load_study(path) == load_study(RAW)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("size", ["tiny", "small", "paper"])
def test_every_preset_is_valid_in_every_size_it_has(name, size):
    try:
        study = load_study(name, size=size)
    except PrunescopeError as error:
        assert "has no size" in str(error)
        assert size != "tiny"
    else:
        assert study.name == name
        assert study.question


@pytest.mark.parametrize("name", preset_names())
def test_the_plain_form_of_a_study_reads_back_as_the_same_study(name):
    study = load_study(name)
    assert load_study(study.canonical()) == study


def test_hyphen_and_underscore_are_the_same_in_a_presets_name():
    assert load_study("layer_similarity") == load_study("layer-similarity")


def test_a_size_overrides_and_never_forks():
    sized = raw(sizes={"small": {"seeds": 5, "model": {"mlp": {"hidden": [16]}}}})
    assert load_study(sized, size="small").seeds == (0, 1, 2, 3, 4)
    assert load_study(sized, size="small").model.hidden == (16,)
    assert load_study(sized).seeds == (0, 1)


def test_settings_reach_into_mappings_and_lists():
    study = load_study(raw(), settings={"recipes.dense.0.train.until": "7ep", "seeds": [3]})
    assert study.recipes["dense"].stages[0].until.epochs == 7
    assert study.seeds == (3,)


def test_data_is_retargeted_by_the_name_the_study_uses(tmp_path):
    import numpy as np

    path = tmp_path / "own.npz"
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    assert load_study(raw(), data={"digits": str(path)}).data != load_study(raw()).data


def test_settings_and_places_are_parsed():
    assert parse_setting("a.b=[1, 2]") == ("a.b", [1, 2])
    assert parse_setting("a=2ep") == ("a", "2ep")
    assert parse_place("digits=a=b") == ("digits", "a=b")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modle": "mlp"}, "did you mean 'model'"),
        ({"model": "mpl"}, "did you mean 'mlp'"),
        ({"data": "digts"}, "did you mean 'digits'"),
        ({"measures": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"seeds": []}, "seeds must be"),
        ({"seeds": [1, 1]}, "seeds must be"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
        ({"seeds": 2**60}, "too many networks"),
        (
            {"recipes": {"imp": {"repeat": 2**60, "stages": [{"prune": {"criterion": "magnitude", "remove": 0.1}}]}}},
            "too many networks",
        ),
        (
            {
                "recipes": {
                    "drawn": {"draws": 30_000, "stages": [{"prune": {"criterion": "magnitude", "sparsity": 0.1}}]}
                }
            },
            "recipes.drawn.*60000",
        ),
        ({"recipes": {}}, "recipes are missing"),
        ({"recipes": 3}, "recipes are missing"),
        ({"views": ["tset"]}, "views"),
        ({"budget": {"acuracy": {"drop": 1}}}, "did you mean 'accuracy'"),
        ({"validation": 1.5}, "validation"),
        ({"sizes": {"huge": {}}}, "sizes cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, told):
    with pytest.raises(PrunescopeError, match=told):
        load_study(raw(**changes))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"size": "smal"}, "did you mean 'small'"),
        ({"size": "paper"}, "no size 'paper'"),
        ({"settings": {"recipes.dens.0": 1}}, "did you mean 'dense'"),
        ({"settings": {"recipes.dense.7": 1}}, "no such item"),
        ({"settings": {"name.x": 1}}, "cannot be set"),
        ({"data": {"mnist": "x"}}, "does not use this data set"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, told):
    with pytest.raises(PrunescopeError, match=told):
        load_study(raw(), **arguments)


@pytest.mark.parametrize("reference", ["demmo", "nothing"])
def test_unknown_studies_offer_the_presets(reference):
    with pytest.raises(PrunescopeError, match="demo"):
        load_study(reference)


@pytest.mark.parametrize("text", ["seeds", "=3", "a: {"])
def test_settings_that_cannot_be_read_are_refused(text):
    with pytest.raises(PrunescopeError, match="--set"):
        parse_setting(text)
    with pytest.raises(PrunescopeError, match="--data"):
        parse_place("digits=")


def test_a_setting_that_is_no_yaml_is_refused():
    with pytest.raises(PrunescopeError, match="not plain YAML"):
        parse_setting("a=[1,")


def test_a_study_without_a_dense_reference_is_refused_when_planned():
    from prunescope.study.plan import plan_study

    train = {"train": {"until": "1ep"}}
    study = load_study(raw(recipes={"a": [{"prune": {"criterion": "magnitude", "sparsity": 0.5}}, train]}))
    with pytest.raises(PrunescopeError, match="no dense reference"):
        plan_study(study)


def test_the_dense_reference_is_the_recipe_named_dense_where_the_two_begin_alike_else_the_beginning():
    train, prune = {"train": {"until": "1ep"}}, {"prune": {"criterion": "magnitude", "sparsity": 0.5}}
    recipes = {
        "start": [train],
        "dense": {"from": "start", "stages": [train]},
        "early": {"from": "start", "stages": [prune]},
        "late": {"from": "dense", "stages": [prune]},
        "other": [train],
        "cut": {"from": "other", "stages": [prune]},
        "alone": [prune],
    }
    study = load_study(raw(recipes=recipes))
    found = {name: study.dense_of(name) for name in recipes}
    assert found == dict.fromkeys(("start", "dense", "early", "late", "alone"), "dense") | dict.fromkeys(
        ("other", "cut"), "other"
    )
    with pytest.raises(PrunescopeError, match=r"recipes\.alone: no dense reference"):
        load_study(raw(recipes={"alone": [prune]})).dense_of("alone")
