"""Which incoming edges random_edge, importance_edge and dpp_edge keep of each node."""

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, dpp, prune
from prunescope.pruning.criteria.dpp_edge import draw_edges
from prunescope.pruning.kernels import Linear, Rbf
from prunescope.pruning.layer_inputs import columns

EDGES = ["random_edge", "importance_edge", "dpp_edge"]


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 4))


def data(n=60):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 12, generator=generator), torch.zeros(n, dtype=torch.int64)


@pytest.mark.parametrize("criterion", EDGES)
def test_every_node_keeps_as_many_edges(criterion):
    mask = prune(net(), criterion, sparsity=0.4, data=data())  # of 80: 48 stay, 36 of 60 and 12 of 20
    assert [tensor.sum(1).tolist() for tensor in mask.values()] == [[8, 7, 7, 7, 7], [3, 3, 3, 3]]
    further = prune(net(), criterion, sparsity=0.75, data=data(), mask=mask, scope="layer")
    assert [tensor.sum(1).tolist() for tensor in further.values()] == [[3, 3, 3, 3, 3], [2, 1, 1, 1]]
    assert further.within(mask)


@pytest.mark.parametrize("criterion", EDGES)
def test_nodes_that_have_few_edges_left_keep_them(criterion):
    tensors = {name: tensor.clone() for name, tensor in Mask.full(net()).items()}
    tensors["0.weight"][1, 2:] = False
    mask = prune(net(), criterion, sparsity=0.6, mask=Mask(tensors), data=data(), scope="layer")
    assert mask["0.weight"].sum(1).tolist() == [6, 2, 6, 5, 5]


def test_the_published_edges_of_a_node_come_out():
    layer = nn.Linear(784, 50)
    assert set(prune(layer, "importance_edge", sparsity=1 - 78 / 784)["weight"].sum(1).tolist()) == {78}


def test_importance_keeps_the_largest_weights_of_each_node():
    mask = prune(net(), "importance_edge", sparsity=0.5, ignore=["2"])
    weight = net()[0].weight.detach().abs()
    for row, kept in zip(weight, mask["0.weight"], strict=True):
        assert set(kept.nonzero().flatten().tolist()) == set(row.topk(6).indices.tolist())


@pytest.mark.parametrize("draw", ["exact", "bernoulli"])
def test_random_edges_are_uniform(draw):
    layer, draws = nn.Linear(6, 3, bias=False), 1500
    masks = torch.stack([prune(layer, "random_edge", sparsity=0.5, draw=draw, seed=s)["weight"] for s in range(draws)])
    assert bool((masks.sum((1, 2)) == 9).all())
    assert float((masks.double().mean(0) - 0.5).abs().max()) < 4.5 * (0.25 / draws) ** 0.5
    rows = masks.sum(2).double()
    # exactly k a node, or the hypergeometric spread of coins given their total
    expected = 0.0 if draw == "exact" else 9 * (6 / 18) * (12 / 18) * (9 / 17)
    assert float(rows.var()) == pytest.approx(expected, abs=0.1)


def contributions(layer, images, node):
    """X diag(w_h) by the definition: one column for each edge, one row for each image and position."""
    rows = columns(layer, images).transpose(1, 2).flatten(0, 1).double()
    return rows * layer.weight.detach().flatten(1)[node].double()


@pytest.mark.parametrize("layer", [nn.Linear(12, 5), nn.Conv2d(2, 5, 3, stride=2, padding=1)], ids=str)
@pytest.mark.parametrize("kernel", [Linear(epsilon=1e-3), Rbf(beta=2.0)], ids=str)
def test_kernels_are_those_of_the_contributions(monkeypatch, layer, kernel):
    images = torch.randn(50, *((12,) if isinstance(layer, nn.Linear) else (2, 7, 7)))
    found, sample = [], dpp.sample
    monkeypatch.setattr(dpp, "sample", lambda k, *a, **o: found.append(k) or sample(k, *a, **o))
    alive = torch.ones_like(layer.weight, dtype=torch.bool)
    alive.flatten(1)[3, 4:6] = False
    labels = torch.zeros(50, dtype=torch.int64)
    prune(layer, "dpp_edge", sparsity=0.5, data=(images, labels), mask=Mask({"weight": alive}), kernel=kernel.spec())
    edges = alive.flatten(1).shape[1]
    nodes = {edges: [0, 1, 2, 4], edges - 2: [3]}
    assert sum(len(k) for k in found) == 5
    for size, members in nodes.items():
        told = torch.cat([k for k in found if k.shape[-1] == size])
        for node, one in zip(members, told, strict=True):
            c = contributions(layer, images, node)[:, alive.flatten(1)[node]]
            expected = kernel(c.T @ c / len(c))
            torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-7)
    assert {k.shape[-1] for k in found} == set(nodes)


def test_duplicate_contributions_are_never_kept_together():
    subject, (images, labels) = net(), data()
    images[:, 1] = -2 * images[:, 0]
    for seed in range(20):
        mask = prune(subject, "dpp_edge", sparsity=0.5, data=(images, labels), kernel="linear", ignore=["2"], seed=seed)
        assert not bool((mask["0.weight"][:, 0] & mask["0.weight"][:, 1]).any())


def test_groups_too_large_for_the_memory_are_drawn_in_parts(monkeypatch):
    weight = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alive, moments = torch.ones(9, 6, dtype=torch.bool), torch.eye(6, dtype=torch.float64)
    sizes, sample = [], dpp.sample
    monkeypatch.setattr("prunescope.pruning.criteria.dpp_edge.ENTRIES", 4 * 36)
    monkeypatch.setattr(dpp, "sample", lambda k, *a, **o: sizes.append(len(k)) or sample(k, *a, **o))
    take = torch.tensor([3] * 9)
    told = draw_edges(weight, alive, take, moments, Linear(), np.random.default_rng(0))
    assert sizes == [4, 4, 1]
    assert told.sum(1).tolist() == [3] * 9


def test_more_edges_than_the_rank_are_refused_with_the_rank():
    few = data(n=4)
    with pytest.raises(PrunescopeError, match=r"0\.weight: .*rank 4"):
        prune(net(), "dpp_edge", sparsity=0.5, data=few, kernel="linear")
    assert prune(net(), "dpp_edge", sparsity=0.5, data=few).kept == 40
