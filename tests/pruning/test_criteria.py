"""One suite over every criterion: a new file is tested the moment it is registered."""

import pytest
import torch
from torch import nn

from prunescope.pruning import CRITERIA, Budget, Evidence, Mask, choose

UNSTRUCTURED = [name for name in CRITERIA.names() if CRITERIA.get(name).unit == "weight"]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))


@pytest.fixture
def evidence():
    generator = torch.Generator().manual_seed(0)
    return Evidence(seed=5, images=torch.rand(12, 1, 8, 8, generator=generator), labels=torch.arange(12) % 10)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_describes_itself_and_survives_a_round_trip(name):
    member = CRITERIA.get(name)()
    assert "Source:" in member.__doc__
    assert CRITERIA.build(member.spec(complete=True)) == member


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.9])
@pytest.mark.parametrize("name", UNSTRUCTURED)
def test_exact_counts_subset_purity_and_determinism(name, sparsity, scope, net, evidence):
    criterion = CRITERIA.get(name)()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    first = Mask.full(net)
    half = choose(criterion, net, first, Budget.of_total(first, sparsity=sparsity, scope=scope), evidence)
    again = choose(criterion, net, first, Budget.of_total(first, sparsity=sparsity, scope=scope), evidence)
    assert half == again
    budget = Budget.of_remaining(half, remove=0.2, scope=scope)
    assert choose(criterion, net, half, budget, evidence).within(half)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert net.training


@pytest.mark.parametrize("name", CRITERIA.names())
def test_criteria_that_look_at_data_say_so(name, net):
    criterion = CRITERIA.get(name)()
    mask = Mask.full(net)
    if criterion.needs_data:
        with pytest.raises(ValueError, match="looks at data"):
            criterion(net, mask, Budget.of_total(mask, sparsity=0.5), Evidence())
    elif criterion.unit == "weight":
        assert criterion(net, mask, Budget.of_total(mask, sparsity=0.5), Evidence()).kept == mask.total // 2
