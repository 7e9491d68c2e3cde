import pickle

import pytest

from prunescope.core.errors import PrunescopeError, unknown_name


def test_text_joins_the_parts_that_were_given():
    error = PrunescopeError("bad", expected=1, got=2, where="here", remedy="Do that")
    assert str(error) == "here: bad; expected 1, got 2. Do that"
    assert str(PrunescopeError("bad")) == "bad"


def test_outer_place_stands_before_the_inner_one():
    assert str(PrunescopeError("bad", where="field").at("file.yaml")) == "file.yaml: field: bad"


def test_survives_pickling_between_processes():
    error = PrunescopeError("bad", expected=[1], got=None, where="here", remedy="Do that")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert (copy.expected, copy.where) == ([1], "here")


def test_unknown_name_offers_the_nearest_and_the_list():
    text = str(unknown_name("criterion", "magnitud", ["magnitude", "random"]))
    assert "did you mean 'magnitude'" in text
    assert "Known: magnitude, random" in text


def test_is_a_value_error():
    with pytest.raises(ValueError, match="bad"):
        raise PrunescopeError("bad")
