from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Overlap, Recipes, common_and_unique, jaccard, pie


def of(found, quantity, item=""):
    return next((v for v in found.values if (v.quantity, v.item) == (quantity, item)), None)


def recipes(synthetic, networks=4, examples=200, **seeds):
    return Recipes(populations={
        name: synthetic.populations(networks=networks, examples=examples, noise=noise)
        for name, noise in {"a": 0.9, "b": 0.5, **seeds}.items()
    })  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_jaccard_is_that_of_scikit_learn(seed):
    a, b = np.random.default_rng(seed).random((2, 50)) < 0.3
    assert jaccard(a, b) == pytest.approx(jaccard_score(a, b))
    assert jaccard(a, a) == 1.0
    assert jaccard(a, b) == jaccard(b, a)


def test_empty_and_unequal_sets_are_refused():
    with pytest.raises(PrunescopeError, match="two empty sets"):
        jaccard([False, False], [False, False])
    with pytest.raises(PrunescopeError, match="other examples"):
        jaccard([True], [True, False])
    with pytest.raises(PrunescopeError, match="labels do not fit"):
        common_and_unique([[True, False]], [0], 2)


def test_common_and_unique_add_up_and_missing_classes_count_zero():
    flags = np.random.default_rng(0).random((3, 40)) < 0.3
    labels = np.arange(40) % 3
    common, unique = common_and_unique(flags, labels, 5)
    assert common.shape == unique.shape == (3, 5)
    assert not common[:, 3:].any()
    for recipe in range(3):
        for label in range(3):
            own = flags[recipe] & (labels == label)
            others = np.delete(flags, recipe, axis=0).any(axis=0)
            assert common[recipe, label] == (own & others).sum()
            assert unique[recipe, label] == (own & ~others).sum()


def probabilities(subjects):
    return np.stack([s.probabilities.numpy() for s in subjects])


def flags_of(shown, networks):
    sides = [[side[i] for i in networks] for side in (shown.dense, shown.pruned)]
    votes = [np.stack([s.predictions.numpy() for s in side]) for side in sides]
    return pie(*votes, dense_probabilities=probabilities(sides[0]), pruned_probabilities=probabilities(sides[1]))


def test_pairs_are_what_the_functions_say_of_whole_populations_and_of_halves(synthetic):
    shown = recipes(synthetic)
    found = Overlap()(shown)
    a, b = (flags_of(shown.populations[name], range(4)) for name in "ab")
    assert np.array_equal(found.arrays["pie/a"], a)
    assert of(found, "jaccard", "a × b").value == jaccard(a, b)
    chance = a.mean() * b.mean()
    assert of(found, "jaccard", "a × b").floor == pytest.approx(chance / (a.mean() + b.mean() - chance))
    halved = []
    for one in combinations(range(4), 2):
        other = [i for i in range(4) if i not in one]
        left, right = flags_of(shown.populations["a"], one), flags_of(shown.populations["b"], other)
        halved.append(jaccard(left, right))
    assert of(found, "half_jaccard", "a × b").value == pytest.approx(np.mean(halved))
    assert of(found, "half_jaccard", "a × a") is not None
    assert of(found, "jaccard", "a × a") is None
    both = (a | b).sum()
    assert of(found, "unique").value == pytest.approx((a ^ b).sum() / both)
    assert of(found, "unique", "a").value == pytest.approx((a & ~b).sum() / a.sum())
    assert found.arrays["common/a"].sum() + found.arrays["unique/a"].sum() == a.sum()


def test_misalignment_is_the_pie_rate_of_one_pruned_population_against_the_other(synthetic):
    shown = recipes(synthetic)
    sides = [shown.populations[name].pruned for name in "ab"]
    votes = [np.stack([s.predictions.numpy() for s in side]) for side in sides]
    expected = pie(*votes, dense_probabilities=probabilities(sides[0]), pruned_probabilities=probabilities(sides[1]))
    value = of(Overlap()(shown), "misalignment", "a × b")
    assert value.value == expected.mean()
    dense = shown.populations["a"].dense, shown.populations["b"].dense
    rates = []
    for one in combinations(range(4), 2):
        halves = [dense[0][i] for i in one], [dense[1][i] for i in range(4) if i not in one]
        votes = [np.stack([s.predictions.numpy() for s in half]) for half in halves]
        tables = [probabilities(half) for half in halves]
        rates.append(pie(*votes, dense_probabilities=tables[0], pruned_probabilities=tables[1]).mean())
    assert value.floor == pytest.approx(np.mean(rates))


def test_a_recipe_shares_all_with_itself_under_another_name(synthetic):
    whole = synthetic.populations(networks=4, examples=200)
    found = Overlap()(Recipes(populations={"x": whole, "y": whole}))
    assert of(found, "jaccard", "x × y").value == 1.0
    assert of(found, "misalignment", "x × y").value == 0.0
    assert of(found, "unique").value == 0.0
    assert of(found, "half_jaccard", "x × y").value == of(found, "half_jaccard", "x × x").value < 1


def test_without_pies_there_is_no_overlap_and_one_network_is_not_applicable(synthetic):
    same = synthetic.populations(networks=2, same=True)
    found = Overlap()(Recipes(populations={"x": same, "y": same}))
    assert of(found, "jaccard", "x × y") is None
    assert of(found, "unique") is None
    alone = synthetic.populations(networks=1)
    assert Overlap()(Recipes(populations={"x": alone, "y": alone})).status == "not applicable"


def test_one_recipe_cannot_be_compared(synthetic):
    with pytest.raises(PrunescopeError, match="compared with each other"):
        Recipes(populations={"x": synthetic.populations()})
