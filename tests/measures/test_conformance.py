"""What every registered measure owes its card; a new file is covered the moment it is registered."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from prunescope.measures import MEASURES, Card, Curve, Measure, Populations, Quantity, Recipes, tidy

SIZES = {
    "few": {"networks": 4, "examples": 60},
    "one network": {"networks": 1, "examples": 40},
    "one class": {"networks": 2, "examples": 12, "classes": 1},
}
CASES = [pytest.param((name, size), id=f"{name}, {size}") for name in MEASURES.names() for size in SIZES]
SLACK = 1e-9


@pytest.fixture(scope="session")
def measured(synthetic):
    def run(name, whole):
        measure = MEASURES.get(name)()
        return measure(synthetic.shown(measure.card.scope, whole))

    return run


@pytest.fixture(scope="module", params=CASES)
def case(request, measured, synthetic):
    """Return the card and the measurement of one measure on one kind of population."""
    name, size = request.param
    return MEASURES.get(name).card, measured(name, synthetic.populations(**SIZES[size]))


@pytest.mark.parametrize("name", MEASURES.names())
def test_the_card_is_complete(name):
    card = MEASURES.get(name).card
    assert issubclass(MEASURES.get(name), Measure)
    assert isinstance(card, Card)
    assert card.title
    assert card.source
    assert card.evidence
    for quantity in card.quantities.values():
        low, high = quantity.range
        assert low is None or high is None or low < high
        assert quantity.meaning
        assert quantity.unit
        assert quantity.neutral is None or within(quantity.neutral, quantity)
    assert MEASURES.get(name).__doc__


def within(number, quantity: Quantity):
    low, high = quantity.range
    return (low is None or number >= low - SLACK) and (high is None or number <= high + SLACK)


def test_it_measures_or_gives_a_reason(case):
    _, found = case
    assert (found.status == "measured") != bool(found.reason)
    assert found.status == "not applicable" or found.values or found.arrays
    assert not (found.status == "not applicable" and found.values)


def test_every_number_is_declared_within_its_range_and_says_how_many_stand_behind_it(case):
    card, found = case
    for value in found.values:
        quantity = card.quantities[value.quantity]
        for number in (value.value, value.floor):
            assert number is None or within(number, quantity), value
        assert isinstance(value.n, int)
        assert value.n > 0, value
        assert value.p is None or 0 <= value.p <= 1
        assert value.seed is None or isinstance(value.seed, int)


def test_intervals_are_ordered_contain_the_value_and_stay_in_range(case):
    card, found = case
    for value in found.values:
        quantity = card.quantities[value.quantity]
        for low, middle, high in (
            (value.low, value.value, value.high),
            (value.floor_low, value.floor, value.floor_high),
        ):
            assert (low is None) == (high is None), value
            if low is not None:
                assert low - SLACK <= middle <= high + SLACK, value
                assert within(low, quantity), value
                assert within(high, quantity), value


def test_no_value_is_given_twice_and_the_rows_are_tidy(case, request):
    card, found = case
    name = next(n for n in MEASURES.names() if MEASURES.get(n).card is card)
    places = [(v.quantity, v.item, v.seed) for v in found.values]
    assert len(places) == len(set(places))
    rows = tidy(name, found, recipe="r", level="0.5", sparsity=0.5, view="test", seeds=4)
    assert len(rows) == max(1, len(found.values))


def test_arrays_hold_finite_numbers(case):
    for name, array in case[1].arrays.items():
        assert isinstance(array, np.ndarray), name
        assert array.dtype.kind in "biufUS", name
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), name


@pytest.mark.parametrize("name", MEASURES.names())
def test_the_same_evidence_gives_the_same_result_and_the_ambient_generators_play_no_part(name, measured, synthetic):
    first = measured(name, synthetic.populations())
    np.random.seed(1)  # noqa: NPY002 - the ambient state is what must not matter
    torch.manual_seed(1)
    second = measured(name, synthetic.populations())
    assert first.values == second.values
    assert first.notes == second.notes
    assert all(np.array_equal(first.arrays[key], second.arrays[key]) for key in first.arrays)


@pytest.mark.parametrize("name", MEASURES.names())
def test_the_dense_networks_shown_as_their_own_descendants_give_the_neutral_values(name, measured, synthetic):
    found = measured(name, synthetic.populations(same=True))
    for value in found.values:
        neutral = MEASURES.get(name).card.quantities[value.quantity].neutral
        if neutral is not None:
            assert value.value == pytest.approx(neutral, abs=SLACK), value


def reordered(synthetic, whole, *, networks=None, examples=None, classes=None, scale=1.0):
    """Return the same populations with networks, examples or classes in another order, or logits times ``scale``."""
    examples = range(len(whole.labels)) if examples is None else examples
    classes = range(len(whole.classes)) if classes is None else classes
    place = torch.as_tensor(np.argsort(classes))

    def change(subject):
        logits = scale * subject.logits[list(examples)][:, list(classes)]
        labels = place[subject.labels[list(examples)]]
        other = {
            kind: {name: rows[list(examples)] for name, rows in subject.evidence(kind).items()}
            for kind in ("activations", "latents", "probes")
        }
        other["probes"] = {name: place[votes.long()].to(votes.dtype) for name, votes in other["probes"].items()}
        return replace(
            synthetic.changed(subject, logits={"logits": logits, "labels": labels}, **other),
            classes=tuple(subject.classes[c] for c in classes),
        )

    order = range(len(whole.dense)) if networks is None else networks
    sides = {side: getattr(whole, side) for side in ("dense", "pruned", "untrained")}
    return Populations(**{side: tuple(change(subjects[i]) for i in order) for side, subjects in sides.items()})


CHANGES = {
    "network order": {"networks": [2, 0, 3, 1]},
    "example order": {"examples": np.random.default_rng(0).permutation(60).tolist()},
    "class relabelling": {"classes": [3, 0, 4, 1, 2]},
    "logit scale": {"scale": 2.0},
}
CLAIMS = [(name, claim) for name in MEASURES.names() for claim in MEASURES.get(name).card.invariant_to]


@pytest.mark.parametrize(("name", "claim"), CLAIMS)
def test_claimed_invariances_hold_for_values_and_floors(name, claim, measured, synthetic):
    """Of the whole and of each network; items may be random subsets, intervals are drawn."""
    whole = synthetic.populations()
    before, after = measured(name, whole), measured(name, reordered(synthetic, whole, **CHANGES[claim]))

    def numbers(found):
        return {(v.quantity, v.seed): (v.value, v.floor or 0.0) for v in found.values if not v.item}

    expected, got = numbers(before), numbers(after)
    assert expected.keys() == got.keys()
    for key in expected:
        assert got[key] == pytest.approx(expected[key], rel=1e-6, abs=SLACK), key


def test_every_kind_of_scope_can_be_shown(synthetic):
    whole = synthetic.populations()
    kinds = {"populations": Populations, "curve": Curve, "recipes": Recipes}
    assert all(isinstance(synthetic.shown(scope, whole), kind) for scope, kind in kinds.items())
    assert {MEASURES.get(name).card.scope for name in MEASURES.names()} <= set(kinds)
    assert all(math.isfinite(s) for s in synthetic.shown("curve", whole).sparsities)
