import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import CRITERIA, Mask, prune
from prunescope.pruning.criteria.shuffled import shuffled


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))


@pytest.mark.parametrize("of", ["magnitude", "snip", {"random_edge": {"draw": "bernoulli"}}])
def test_counts_of_every_layer_are_the_criterions_and_the_places_are_not(of):
    data = (torch.randn(50, 20), torch.arange(50) % 10)
    name, options = (of, {}) if isinstance(of, str) else next(iter(of.items()))
    mask, told = (prune(net(), c, sparsity=0.7, data=data, **o) for c, o in ((name, options), ("shuffled", {"of": of})))
    assert told.counts() == mask.counts()
    overlap = sum(int((mask[n] & told[n]).sum()) for n in mask) / mask.kept
    assert 0.2 < overlap < 0.45  # of independent masks: about the kept share of each layer


def test_places_are_uniform_over_what_is_alive():
    alive, kept = torch.tensor([[True, True, False], [True, True, True]]), torch.tensor([[True, True], [False, False]])
    generator = torch.Generator().manual_seed(0)
    draws = 4000
    told = sum(shuffled(kept, alive, generator).double() for _ in range(draws)) / draws
    assert float((told - 0.4 * alive).abs().max()) < 4.5 * (0.24 / draws) ** 0.5
    assert shuffled(alive, alive, generator).equal(alive)


def test_stays_inside_a_mask_and_follows_the_seed():
    first = prune(net(), sparsity=0.5)
    second = prune(net(), "shuffled", sparsity=0.8, mask=first, seed=1)
    assert second.within(first)
    assert second == prune(net(), "shuffled", sparsity=0.8, mask=first, seed=1)
    assert second != prune(net(), "shuffled", sparsity=0.8, mask=first, seed=2)
    twice = prune(net(), "shuffled", of="random", sparsity=0.8, seed=1)
    assert twice != prune(net(), "random", sparsity=0.8, seed=1)


def test_says_whether_the_other_criterion_looks_at_data():
    assert not CRITERIA.build("shuffled").needs_data
    assert CRITERIA.build({"shuffled": {"of": "sipp"}}).needs_data
    with pytest.raises(PrunescopeError, match="looks at data"):
        prune(net(), "shuffled", of="sipp", sparsity=0.5)


def test_criteria_of_other_units_are_refused():
    with pytest.raises(PrunescopeError, match=r"shuffled: of: random_node removes whole nodes"):
        prune(net(), "shuffled", of="random_node", sparsity=0.5)
    assert isinstance(prune(net(), "shuffled", sparsity=0.5), Mask)
