"""Hostile input: study files, command lines and artefacts are anything; the answer is a result or one refusal."""

import copy
import random
import shutil
import sys

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunescope.cli import main
from prunescope.core.errors import PrunescopeError
from prunescope.study.doctor import examine
from prunescope.study.plan import plan_study
from prunescope.study.run import results, run
from prunescope.study.store import Store
from prunescope.study.study import load_study
from tests.study.test_plan import TRAIN, raw

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SHORT = settings(max_examples=100, deadline=None, suppress_health_check=QUIET, derandomize=True)
LONG = settings(max_examples=4000, deadline=None, suppress_health_check=QUIET)

HOSTILE = ["<script>alert(1)</script>", "!!python/object:os.system", "1e999ep", "-1ep", "{{x}}", "\x00", "nan", "../.."]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just("1" * 400),
    st.sampled_from(HOSTILE),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
VERBS = "run results report export list explain doctor status gc audit demo"
VALUES = (
    "little.yaml demo tiny seeds=1 a.b=c recipes.dense.0=3 csv dense 0 x.pt ray://x:y digits=nowhere criteria measures"
)
OPTIONS = "--size --store --set --format --recipe --seed --to --dry-run --on --workers --data --model --pruned --out"
WORDS = st.one_of(
    st.sampled_from(f"{VERBS} {VALUES} {OPTIONS}".split()),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6),
    st.integers().map(str),
)
NEVER = {"run", "demo"}  # without --dry-run they train


def places(node, path=()):
    """Yield the path of everything inside a plain value."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def studies(draw):
    """A sound study in which up to three places hold junk, are missing, or have another name."""
    study = raw()
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(places(study))[1:]))
        node = study
        for key in way:
            node = node[key]
        how = draw(st.sampled_from(["put", "drop", "rename"]))
        if how == "put":
            node[last] = draw(JUNK)
        elif isinstance(node, dict):
            value = node.pop(last)
            if how == "rename":
                node[draw(st.text(max_size=5))] = value
    return study


TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    studies().map(lambda study: yaml.safe_dump(study).encode()),
)


def answers(act):
    """Whether the act was done or refused; anything else it raises is a failure."""
    try:
        act()
    except PrunescopeError as refusal:
        assert str(refusal)
        assert len(str(refusal).splitlines()) < 15
        return False
    return True


def any_study(study):
    answers(lambda: plan_study(load_study(study)))


def any_text(text, folder):
    path = folder / "study.yaml"
    path.write_bytes(text)
    answers(lambda: plan_study(load_study(path)))
    assert [entry.name for entry in folder.iterdir()] == ["study.yaml"]


def any_command(words, capsys, monkeypatch, folder):
    monkeypatch.chdir(folder)
    extra = ["--dry-run"] if NEVER & set(words) else []
    monkeypatch.setattr(sys, "argv", ["prunescope", *words, *extra])
    if "demo" in words[:1]:
        return
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code in (0, 1, 2), told
    assert "Traceback" not in told.err + told.out
    assert not list(folder.rglob("*.tmp"))


def any_damage(number, source, folder):
    """Change one file of a store at random: readers refuse it, the doctor finds it, a repaired store is whole."""
    rng = random.Random(number)
    target = folder / "store"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    file = rng.choice([path for path in sorted(target.rglob("*")) if path.is_file() and path.name != "store.json"])
    data = bytearray(file.read_bytes())
    at = rng.randrange(len(data))
    how = rng.choice(["flip", "cut", "fill", "empty"])
    if how == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif how == "fill":
        data[at:] = rng.randbytes(len(data) - at)
    else:
        del data[at if how == "cut" else 0 :]
    if bytes(data) == file.read_bytes():
        return
    file.write_bytes(bytes(data))
    answers(lambda: results(little(), store=target))
    assert examine(target).damaged
    examine(target, repair=True)
    assert examine(target).damaged == ()


def little():
    return raw(seeds=1, recipes={"dense": [copy.deepcopy(TRAIN)]})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = tmp_path_factory.mktemp("fuzz") / "store"
    assert run(little(), store=store, on="inline").complete
    assert list(Store(store).folders())
    return store


@SHORT
@given(studies())
def test_studies(study):
    any_study(study)


@SHORT
@given(TEXTS)
def test_texts(tmp_path_factory, text):
    any_text(text, tmp_path_factory.mktemp("text"))


@SHORT
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_commands(capsys, monkeypatch, tmp_path, words):
    any_command(words, capsys, monkeypatch, tmp_path)


@pytest.mark.parametrize("number", range(20))
def test_damage(number, store, tmp_path):
    any_damage(number, store, tmp_path)


@pytest.mark.soak
@LONG
@given(studies())
def test_studies_at_length(study):
    any_study(study)


@pytest.mark.soak
@LONG
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_commands_at_length(capsys, monkeypatch, tmp_path, words):
    any_command(words, capsys, monkeypatch, tmp_path)


@pytest.mark.soak
def test_damage_at_length(store, tmp_path):
    for number in range(2000, 4000):
        any_damage(number, store, tmp_path)
