import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.data import SHIFTS, parse_views


def names(*entries):
    return [view.name for view in parse_views(entries)]


def test_all_corruptions_at_a_severity():
    found = names("test", "corruption/*/3")
    corruptions = [name for name in SHIFTS.names() if "severity" in SHIFTS.get(name).model_fields]
    assert found == ["test", *(f"corruption/{name}/3" for name in corruptions)]
    assert len(found) == 20


def test_braces_are_alternatives_and_multiply():
    assert names("corruption/{fog,frost}/{1, 5}[100]") == [
        "corruption/fog/1[100]",
        "corruption/fog/5[100]",
        "corruption/frost/1[100]",
        "corruption/frost/5[100]",
    ]
    assert names("noise/uniform_noise/{0,0.05,0.1}") == [f"noise/uniform_noise/{e}" for e in ("0.0", "0.05", "0.1")]


def test_patterns_take_subsets_splits_and_further_options():
    assert names("train/corruption/f?g/2[50]") == ["train/corruption/fog/2[50]"]
    assert names("noise/uniform*/0.1/clip=false") == ["noise/uniform_noise/0.1/clip=false"]


def test_what_begins_with_an_exclamation_mark_is_taken_out_again():
    assert "corruption/saturate/3" not in names("corruption/*/3", "!corruption/saturate/*")
    assert names("test", "corruption/{fog,snow}/3[20]", "!corruption/fog/3[20]") == ["test", "corruption/snow/3[20]"]


def test_a_view_written_twice_counts_once():
    assert names("test", {"split": "test"}, "corruption/f*/3", "corruption/fog/3") == [
        "test",
        "corruption/fog/3",
        "corruption/frost/3",
    ]


@pytest.mark.parametrize("text", ["corruption/x*/3", "*", "corruption/fog/*", "!corruption/*", "corruptions/*/3"])
def test_patterns_that_match_nothing_are_refused(text):
    with pytest.raises(PrunescopeError):
        names(text)


def test_a_view_that_does_not_exist_is_refused_with_near_names():
    with pytest.raises(PrunescopeError, match="corruption/fog"):
        names("corruption/fogg/3")
