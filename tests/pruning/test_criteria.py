"""One suite over every criterion: a new file is tested the moment it is registered."""

import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import CRITERIA, Budget, Evidence, Mask, Random, choose

UNSTRUCTURED = [name for name in CRITERIA.names() if CRITERIA.get(name).unit == "weight"]
NODES = [name for name in CRITERIA.names() if CRITERIA.get(name).unit == "node"]
FILTERS = [name for name in CRITERIA.names() if CRITERIA.get(name).unit == "filter"]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 11), nn.Tanh(), nn.Linear(11, 10)]
    return nn.Sequential(*layers)


@pytest.fixture
def residual():
    return build(MODELS.build({"resnet20": {"width": 3}}), (1, 8, 8), 10, seed=0)


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


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.81])
@pytest.mark.parametrize("name", NODES)
def test_exact_counts_of_nodes_subset_purity_and_determinism(name, sparsity, scope, mlp, evidence):
    criterion = CRITERIA.get(name)()
    before = {key: value.clone() for key, value in mlp.state_dict().items()}
    first = Mask.full(mlp)
    budget = Budget.of_total(criterion.counts(mlp, first), sparsity=sparsity, scope=scope)
    some = choose(criterion, mlp, first, budget, evidence)
    assert some == choose(criterion, mlp, first, budget, evidence)
    widths = {"1.weight": 20, "4.weight": 11}
    kept = {n: int((some[n].any(1)).sum()) for n in widths}
    if scope == "layer":
        assert kept == {n: width - round(sparsity * width) for n, width in widths.items()}
    else:
        assert sum(kept.values()) == 31 - round(sparsity * 31)
        assert all(abs(kept[n] - 31 * (1 - sparsity) * width / 31) <= 1 for n, width in widths.items())
    for n, after in {"1.weight": "4.weight", "4.weight": "6.weight"}.items():
        assert torch.equal(some[n].any(1), some[after].any(0))  # incoming row and outgoing column go together
    assert some["4.weight"].sum() == kept["1.weight"] * kept["4.weight"]
    again = Budget.of_remaining(criterion.counts(mlp, some), remove=0.2, scope=scope)
    assert choose(criterion, mlp, some, again, evidence).within(some)
    assert all(torch.equal(value, before[key]) for key, value in mlp.state_dict().items())
    assert all(p.grad is None for p in mlp.parameters())
    assert mlp.training


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.81])
@pytest.mark.parametrize("name", FILTERS)
def test_exact_counts_of_filters_subset_purity_and_determinism(name, sparsity, scope, residual, evidence):
    criterion = CRITERIA.get(name)()
    before = {key: value.clone() for key, value in residual.state_dict().items()}
    first = Mask.full(residual)
    counts = criterion.counts(residual, first)
    assert sum(total for _, total in counts.values()) == 3 * (3 + 6 + 12) + 12
    budget = Budget.of_total(counts, sparsity=min(sparsity, 0.6) if scope == "layer" else sparsity, scope=scope)
    some = choose(criterion, residual, first, budget, evidence)
    assert some == choose(criterion, residual, first, budget, evidence)
    for names in (("conv1", "layer1.0.conv2", "layer1.1.conv2"), ("layer3.0.conv2", "layer3.1.conv2")):
        kept = [some[f"{name}.weight"].flatten(1).any(1) for name in names]
        assert all(torch.equal(rows, kept[0]) for rows in kept)  # what is added up goes together
        assert bool(kept[0].any())
    assert torch.equal(some["linear.weight"].any(0), some["layer3.2.conv2.weight"].flatten(1).any(1))
    assert bool(some["linear.weight"].any(1).all())
    again = Budget.of_remaining(criterion.counts(residual, some), remove=0.1, scope="global")
    assert choose(criterion, residual, some, again, evidence).within(some)
    assert all(torch.equal(value, before[key]) for key, value in residual.state_dict().items())
    assert all(p.grad is None for p in residual.parameters())
    assert residual.training


@pytest.mark.parametrize("name", FILTERS)
def test_filters_can_be_budgeted_in_weights(name, residual, evidence):
    criterion = CRITERIA.build({name: {"count": "weights"}})
    first = Mask.full(residual)
    budget = Budget.of_total(criterion.counts(residual, first), sparsity=0.4)
    assert 0 <= budget.kept - choose(criterion, residual, first, budget, evidence).kept <= 0.03 * budget.kept
    assert choose(criterion, residual, first, Budget.of_total(first, sparsity=0.0), evidence) == first
    with pytest.raises(PrunescopeError, match="weights of a layer depend"):
        choose(criterion, residual, first, Budget.of_total(first, sparsity=0.4, scope="layer"), evidence)


@pytest.mark.parametrize("name", [name for name in FILTERS if CRITERIA.get(name).needs_data])
def test_images_with_nan_are_refused(name, residual, evidence):
    criterion, first = CRITERIA.get(name)(), Mask.full(residual)
    broken = Evidence(images=evidence.images * torch.nan, labels=evidence.labels)
    budget = Budget.of_total(criterion.counts(residual, first), sparsity=0.5)
    with pytest.raises(PrunescopeError, match=r"NaN|not finite"):
        choose(criterion, residual, first, budget, broken)


@pytest.mark.parametrize("name", NODES + FILTERS)
def test_pruning_goes_on_where_single_weights_are_gone(name, mlp, residual, evidence):
    """The last weights of a unit may go with its neighbours, so that fewer are left than chosen."""
    criterion, net = CRITERIA.get(name)(), mlp if name in NODES else residual
    whole = Mask.full(net)
    sparse = choose(Random(), net, whole, Budget.of_total(whole, sparsity=0.9), evidence)
    budget = Budget.of_remaining(criterion.counts(net, sparse), remove=0.4)
    chosen = choose(criterion, net, sparse, budget, evidence)
    assert 0 <= budget.kept - sum(alive for alive, _ in criterion.counts(net, chosen).values()) <= 0.2 * budget.kept


@pytest.mark.parametrize("name", NODES + FILTERS)
def test_a_budget_that_empties_a_layer_is_refused(name, mlp, evidence):
    criterion = CRITERIA.get(name)()
    counts = criterion.counts(mlp, Mask.full(mlp))
    with pytest.raises(PrunescopeError, match="empties a layer"):
        choose(criterion, mlp, Mask.full(mlp), Budget.of_total(counts, sparsity=0.98, scope="global"), evidence)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_a_budget_in_another_unit_is_refused(name, net, mlp, evidence):
    criterion = CRITERIA.get(name)()
    subject = net if criterion.unit == "weight" else mlp
    for budget in (
        Budget(counts={"": 10**6}, scope="global"),
        Budget(counts={"": -1}, scope="global"),
        Budget(counts={"elsewhere": 1}, scope="layer"),
    ):
        with pytest.raises(PrunescopeError, match=f"in {criterion.unit}s"):
            choose(criterion, subject, Mask.full(subject), budget, evidence)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_criteria_that_look_at_data_say_so(name, net):
    criterion = CRITERIA.get(name)()
    mask = Mask.full(net)
    if criterion.needs_data:
        with pytest.raises(ValueError, match="looks at data"):
            criterion(net, mask, Budget.of_total(mask, sparsity=0.5), Evidence())
        for shape in ((0, 1, 8, 8), (3, 1, 8, 7), (3, 2, 8, 8)):
            fitting = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
            wrong = Evidence(images=torch.zeros(shape), labels=torch.zeros(shape[0], dtype=torch.int64))
            whole = Mask.full(fitting)
            budget = Budget.of_total(criterion.counts(fitting, whole), sparsity=0.5)
            with pytest.raises(PrunescopeError, match=r"no images|cannot take these images"):
                choose(criterion, fitting, whole, budget, wrong)
    elif criterion.unit == "weight":
        assert criterion(net, mask, Budget.of_total(mask, sparsity=0.5), Evidence()).kept == mask.total // 2
