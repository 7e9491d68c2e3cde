import hypothesis.strategies as st
import pytest
from hypothesis import given

from prunescope.core.config import Config, canonical_json, fingerprint, finite, load_yaml, validate
from prunescope.core.errors import PrunescopeError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Inner(Config):
    rate: float = 0.5


class Outer(Config):
    inner: Inner = Inner()
    names: tuple[str, ...] = ()


@given(st.dictionaries(st.text(), PLAIN))
def test_canonical_json_does_not_depend_on_the_order_of_keys(data):
    backwards = dict(reversed(data.items()))
    assert canonical_json(data) == canonical_json(backwards)
    assert fingerprint(data) == fingerprint(backwards)


def test_canonical_form_leaves_defaults_out_so_that_a_new_option_renames_nothing():
    assert Outer().canonical() == {}
    assert Outer(inner=Inner(rate=0.25)).canonical() == {"inner": {"rate": 0.25}}
    assert Outer().canonical(complete=True) == {"inner": {"rate": 0.5}, "names": []}


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_errors_name_file_and_field_path():
    with pytest.raises(PrunescopeError, match=r"study.yaml: inner.rate: .*number.*'x'"):
        validate(Outer, {"inner": {"rate": "x"}}, "study.yaml")


def test_unknown_fields_offer_the_nearest():
    with pytest.raises(PrunescopeError, match="did you mean 'rate'"):
        validate(Outer, {"inner": {"ratte": 1}}, "study.yaml")


def test_nan_in_a_field_is_refused():
    with pytest.raises(PrunescopeError, match="finite"):
        validate(Inner, {"rate": float("nan")}, "study.yaml")


def test_finite_passes_numbers_and_refuses_nan():
    assert finite(1, "x") == 1.0
    with pytest.raises(PrunescopeError, match="x is not a finite number"):
        finite(float("inf"), "x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("- 1\n- 2", "not a mapping"),
        ("a: 1\na: 2", "'a' appears twice"),
        ("a: [", "not readable as plain YAML"),
        ("a: &x [*x]", "refers to itself"),
        ("{" * 60 + "}" * 60, "nested too deeply"),
        ("a: \x00", "not readable"),
        ("", "not a mapping"),
    ],
)
def test_hostile_or_broken_yaml_is_refused(tmp_path, text, told):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(PrunescopeError, match=told) as caught:
        load_yaml(path)
    assert str(path) in str(caught.value)


def test_runaway_aliases_are_refused_before_they_are_expanded(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(PrunescopeError, match="aliases expand to too much"):
        load_yaml(path)


def test_harmless_aliases_and_merges_work(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("base: &b {x: 1}\nother: {<<: *b, y: 2}\n")
    assert load_yaml(path)["other"] == {"x": 1, "y": 2}


def test_missing_and_oversized_files_are_refused(tmp_path):
    with pytest.raises(PrunescopeError, match="cannot be read"):
        load_yaml(tmp_path / "none.yaml")
    big = tmp_path / "big.yaml"
    big.write_text("a: " + "x" * 1_000_001)
    with pytest.raises(PrunescopeError, match="file too large"):
        load_yaml(big)
