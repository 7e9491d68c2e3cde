import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Budget, Mask, select_top

TIED = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def brute_force(scores, alive, count):
    """Keep the highest; among equals the earlier position."""
    order = sorted((i for i in range(len(scores)) if alive[i]), key=lambda i: (-scores[i], i))
    return set(order[:count])


@given(TIED, TIED, st.floats(0, 0.999), st.randoms(use_true_random=False))
def test_global_selection_equals_brute_force_with_ties_and_a_mask(first, second, sparsity, rng):
    both = first + second
    alive = [rng.random() < 0.7 for _ in both]
    mask = Mask({"z": torch.tensor(alive[: len(first)]), "a": torch.tensor(alive[len(first) :])})
    target = len(both) - round(sparsity * len(both))
    if target > sum(alive):
        with pytest.raises(PrunescopeError, match="more is pruned already"):
            Budget.of_total(mask, sparsity=sparsity)
        return
    scores = {"z": torch.tensor(first, dtype=torch.float), "a": torch.tensor(second, dtype=torch.float)}
    chosen = select_top(scores, mask, Budget.of_total(mask, sparsity=sparsity))
    kept = torch.cat([chosen["z"], chosen["a"]]).nonzero().flatten().tolist()
    assert set(kept) == brute_force(both, alive, target)


@given(TIED, TIED, st.floats(0, 0.999))
def test_layer_budgets_remove_the_rounded_share_of_every_tensor(first, second, sparsity):
    mask = Mask({"a": torch.ones(len(first), dtype=torch.bool), "b": torch.ones(len(second), dtype=torch.bool)})
    scores = {"a": torch.tensor(first, dtype=torch.float), "b": torch.tensor(second, dtype=torch.float)}
    chosen = select_top(scores, mask, Budget.of_total(mask, sparsity=sparsity, scope="layer"))
    for name, (kept, total) in chosen.counts().items():
        assert total - kept == round(sparsity * total)
        assert set(chosen[name].nonzero().flatten().tolist()) == brute_force(scores[name], [True] * total, kept)


def test_remaining_counts_only_what_is_alive():
    mask = Mask({"a": torch.arange(100) < 50})
    assert Budget.of_remaining(mask, remove=0.2).counts == {"": 40}
    assert Budget.of_total(mask, sparsity=0.6).counts == {"": 40}


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan"), float("inf"), "half", None])
def test_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(PrunescopeError, match="sparsity out of range"):
        Budget.of_total(Mask({"a": torch.tensor([True])}), sparsity=sparsity)


def test_nan_scores_are_refused():
    mask = Mask({"a": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(PrunescopeError, match="a score is NaN"):
        select_top({"a": torch.tensor([1.0, float("nan")])}, mask, Budget.of_total(mask, sparsity=0.5))
