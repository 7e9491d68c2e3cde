from typing import Annotated

import pytest

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError
from prunescope.core.registry import Member, Registry


class Shape(Member):
    pass


SHAPES: Registry[Shape] = Registry("shapes")


@SHAPES.register("polygon")
class Polygon(Shape):
    sides: int = 4
    filled: bool = False


@SHAPES.register("point")
class Point(Shape):
    pass


@SHAPES.register("circle")
class Circle(Shape):
    radius: float


class Drawing(Config):
    shape: Annotated[Shape, *SHAPES.field()] = Polygon()


@pytest.mark.parametrize(
    "spec",
    ["polygon", {"polygon": {}}, {"polygon": None}, {"polygon": {"sides": 4}}, {"polygon": 4}, Polygon()],
)
def test_all_spellings_of_one_member_are_equal(spec):
    assert SHAPES.build(spec) == Polygon()


def test_a_plain_value_is_the_first_option_and_neighbours_are_further_ones():
    assert SHAPES.build({"polygon": 3, "filled": True}) == Polygon(sides=3, filled=True)


def test_a_member_prints_its_spec_with_and_without_defaults():
    assert Polygon(sides=3).spec() == {"polygon": {"sides": 3}}
    assert Polygon(sides=3).spec(complete=True) == {"polygon": {"sides": 3, "filled": False}}


def test_a_field_reads_and_writes_specs():
    drawing = Drawing.model_validate({"shape": {"polygon": 5}})
    assert drawing.canonical() == {"shape": {"polygon": {"sides": 5}}}
    assert drawing.canonical(complete=True) == {"shape": {"polygon": {"sides": 5, "filled": False}}}
    assert Drawing.model_validate(drawing.canonical(complete=True)) == drawing


def test_hyphen_and_underscore_are_the_same():
    two_words: Registry[Member] = Registry("pairs")
    two_words.register("left_right")(type("LeftRight", (Member,), {}))
    assert two_words.get("left-right").member_name == "left_right"
    assert two_words.build({"left-right": {}}).member_name == "left_right"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("polygone", "did you mean 'polygon'"),
        ("circle", "circle: radius: Field required"),
        ({"polygone": 3}, "did you mean 'polygon'"),
        ({"polygon": {"side": 3}}, "did you mean 'sides'"),
        ({"polygon": {"sides": "many"}}, "polygon: sides"),
        ({"point": 3}, "point takes no options"),
        ({}, "cannot be read"),
        (7, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        SHAPES.build(spec)


def test_a_second_class_of_a_name_and_a_foreign_member_are_refused():
    with pytest.raises(PrunescopeError, match="registered twice"):
        SHAPES.register("point")(Point)
    with pytest.raises(PrunescopeError, match="not a member of shapes"):
        SHAPES.build(type("Other", (Member,), {})())


def test_third_parties_join_through_entry_points(monkeypatch):
    class Entry:
        name = "star"

        @staticmethod
        def load():
            return type("Star", (Shape,), {})

    monkeypatch.setattr("prunescope.core.registry.entry_points", lambda group: [Entry] * (group == "prunescope.plugs"))
    plugs: Registry[Shape] = Registry("plugs")
    assert plugs.names() == ["star"]
    assert plugs.build("star").member_name == "star"
