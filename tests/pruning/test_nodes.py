"""Which nodes random_node, importance_node and dpp_node keep."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import Committee, build
from prunescope.pruning import Budget, Evidence, Mask, choose, dpp, prune
from prunescope.pruning.criteria import DppNode, RandomNode
from prunescope.pruning.kernels import Linear, Rbf


def mlp(hidden=6, inputs=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Sigmoid(), nn.Dropout(), nn.Linear(hidden, 3))


def data(n=40, inputs=8):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, inputs, generator=generator), torch.zeros(n, dtype=torch.int64)


def kept_nodes(mask):
    return mask["0.weight"].any(1).nonzero().flatten().tolist()


def test_random_nodes_are_uniform():
    net, whole = mlp(), Mask.full(mlp())
    criterion, nodes, budget = RandomNode(), Mask({"0.weight": torch.ones(6, dtype=torch.bool)}), None
    budget = Budget(counts={"0.weight": 2}, scope="layer")
    draws = 3000
    hidden = criterion.hidden(net, whole)
    told = sum(
        criterion.survivors(net, whole, hidden, nodes, budget, Evidence(seed=s))["0.weight"].double()
        for s in range(draws)
    )
    assert float((told / draws - 1 / 3).abs().max()) < 4.5 * (2 / 9 / draws) ** 0.5


def test_importance_is_the_mean_absolute_outgoing_weight():
    net = mlp(hidden=4)
    net[3].weight.data = torch.tensor([[-9.0, 1.0, 0.0, 2.0], [0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 2.0]])
    assert kept_nodes(prune(net, "importance_node", sparsity=0.5)) == [0, 3]  # signed, node 0 would be the first to go
    assert kept_nodes(prune(net, "importance_node", sparsity=0.25)) == [0, 1, 3]
    first = Mask({**Mask.full(net), "3.weight": net[3].weight > -5})
    assert kept_nodes(prune(net, "importance_node", sparsity=0.5, mask=first)) == [1, 3]


def captured(monkeypatch, **options):
    """Return the kernels that dpp_node draws from."""
    found = []
    sample = dpp.sample
    monkeypatch.setattr(dpp, "sample", lambda kernel, *a, **k: found.append(kernel) or sample(kernel, *a, **k))
    net = mlp()
    mask = prune(net, "dpp_node", sparsity=0.5, data=data(), **options)
    assert len(kept_nodes(mask)) == 3
    return net, found


@pytest.mark.parametrize("pre_activation", [False, True])
@pytest.mark.parametrize("kernel", ["linear", "rbf", {"rbf": {"beta": "median", "epsilon": 0.5}}])
def test_the_kernel_is_that_of_the_activations(monkeypatch, kernel, pre_activation):
    net, (told,) = captured(monkeypatch, kernel=kernel, pre_activation=pre_activation)
    images, _ = data()
    x, w, b = images.double(), net[0].weight.detach().double(), net[0].bias.detach().double()
    h = x @ w.T if pre_activation else torch.sigmoid(x @ w.T + b)
    distances = torch.cdist(h.T, h.T) ** 2 / 40
    if kernel == "linear":
        expected = h.T @ h / 40
    elif kernel == "rbf":
        expected = torch.exp(-10 * distances) + 0.01 * torch.eye(6)
    else:
        off = distances[torch.triu(torch.ones(6, 6, dtype=torch.bool), 1)]
        expected = torch.exp(-distances / off.median()) + 0.5 * torch.eye(6)
    torch.testing.assert_close(told, expected, rtol=1e-5, atol=1e-6)


def test_sets_are_drawn_with_the_probabilities_of_the_determinants():
    kernel = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 5)))
    kernel = kernel @ kernel.T
    alive = torch.tensor([True, True, False, True, True, True])
    embedded = torch.zeros(6, 6, dtype=torch.float64)
    places = alive.nonzero().flatten()
    embedded[places[:, None], places] = kernel
    rng, draws = np.random.default_rng(1), 4000
    criterion = DppNode(kernel=Linear())
    counts = {}
    for _ in range(draws):
        chosen = tuple(criterion._draw(embedded, alive, 2, rng).nonzero().flatten().tolist())
        counts[chosen] = counts.get(chosen, 0) + 1
    weights = {s: float(torch.det(embedded[list(s)][:, list(s)])) for s in combinations(places.tolist(), 2)}
    for s, weight in weights.items():
        p = weight / sum(weights.values())
        assert abs(counts.get(s, 0) / draws - p) < 4.5 * (p * (1 - p) / draws) ** 0.5 + 1e-9


def test_duplicate_nodes_are_never_kept_together():
    net = mlp()
    net[0].weight.data[5], net[0].bias.data[5] = net[0].weight.data[4], net[0].bias.data[4]
    for seed in range(30):
        kept = kept_nodes(prune(net, "dpp_node", sparsity=0.5, data=data(), kernel="linear", seed=seed))
        assert not {4, 5} <= set(kept)


def test_the_number_of_images_does_not_change_the_draw():
    images, labels = data()
    twice = torch.cat([images, images]), torch.cat([labels, labels])
    for kernel in ("linear", "rbf", {"rbf": {"beta": "median"}}):
        told = [
            prune(mlp(), "dpp_node", sparsity=0.5, data=d, kernel=kernel, seed=4) for d in ((images, labels), twice)
        ]
        assert told[0] == told[1]


def test_more_nodes_than_the_rank_are_refused_with_the_rank():
    few = data(n=3)
    assert len(kept_nodes(prune(mlp(), "dpp_node", sparsity=0.5, data=few, kernel="linear"))) == 3
    with pytest.raises(PrunescopeError, match=r"0\.weight: .*rank 3"):
        prune(mlp(), "dpp_node", sparsity=0.3, data=few, kernel="linear")
    assert len(kept_nodes(prune(mlp(), "dpp_node", sparsity=0.3, data=few, kernel={"linear": {"epsilon": 0.1}}))) == 4
    with pytest.raises(PrunescopeError, match="NaN"):
        prune(mlp(), "dpp_node", sparsity=0.5, data=(few[0] * torch.nan, few[1]))


def test_the_published_node_counts_come_out():
    net = nn.Sequential(nn.Linear(784, 500), nn.Sigmoid(), nn.Linear(500, 500), nn.Sigmoid(), nn.Linear(500, 10))
    whole, criterion = Mask.full(net), RandomNode(layers=("0",))
    budget = Budget(counts={"0.weight": 226}, scope="layer")
    told = choose(criterion, net, whole, budget, Evidence())
    assert told == prune(net, "random_node", sparsity=1 - 226 / 500, layers=["0"])
    assert told.counts() == {"0.weight": (226 * 784, 392000), "2.weight": (226 * 500, 250000), "4.weight": (5000, 5000)}


def test_options_are_told_apart_and_described():
    assert DppNode() == DppNode(kernel=Rbf(beta=10.0, epsilon=0.01))
    assert DppNode(kernel=Linear()).spec() == {"dpp_node": {"kernel": {"linear": {}}}}
    with pytest.raises(PrunescopeError, match="did you mean 'rbf'"):
        prune(mlp(), "dpp_node", sparsity=0.5, data=data(), kernel="rbg")


def test_more_nodes_than_the_rank_of_converged_students_are_refused():
    """Copies of two teacher nodes span two dimensions: no determinantal set of five of them has any chance."""
    net = build(Committee(hidden=6), (1, 1, 20), 1, seed=0)
    with torch.no_grad():
        net.hidden.weight[:3], net.hidden.weight[3:] = net.hidden.weight[0].clone(), net.hidden.weight[3].clone()
    images, labels = data(200, 20)
    options = {"kernel": "linear", "pre_activation": True, "data": (images.view(200, 1, 1, 20), labels)}
    assert prune(net, "dpp_node", sparsity=4 / 6, **options)["hidden.weight"].any(1).sum() == 2
    with pytest.raises(PrunescopeError, match=r"hidden\.weight.*rank"):
        prune(net, "dpp_node", sparsity=1 / 6, **options)
