import numpy as np
import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, prune
from prunescope.pruning.hidden import hidden_layers, keep_nodes
from prunescope.pruning.layer_inputs import BATCH, columns
from prunescope.pruning.reweight import compressed, refit, reweight


def some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_kept(*shape, seed=0, share=0.5):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share


def test_edges_are_fused_as_published():
    """δ of each node by NumPy: what the lost edges gave, fitted on the kept ones."""
    weight, kept, x = some(4, 7), some_kept(4, 7, seed=1), some(50, 7, seed=2)
    told = refit(weight, kept, x, x @ weight.T)
    for h in range(4):
        s = kept[h].numpy()
        lost = x.numpy()[:, ~s] @ weight[h].numpy()[~s]
        delta = np.linalg.lstsq(x.numpy()[:, s], lost, rcond=None)[0]
        np.testing.assert_allclose(told[h].numpy()[s], weight[h].numpy()[s] + delta)
        assert told[h].numpy()[~s].any() == 0


def test_nodes_are_fused_as_published():
    """U_S + Σ_j α_j U_j, with α_j of each dropped node by NumPy."""
    u, a = some(3, 8), some(60, 8, seed=1)
    s = np.array([0, 2, 3, 6])
    expected = u.numpy()[:, s].copy()
    for j in (1, 4, 5, 7):
        alpha = np.linalg.lstsq(a.numpy()[:, s], a.numpy()[:, j], rcond=None)[0]
        expected += np.outer(u.numpy()[:, j], alpha)
    kept = torch.zeros(3, 8, dtype=torch.bool)
    kept[:, s] = True
    np.testing.assert_allclose(refit(u, kept, a, a @ u.T)[:, s].numpy(), expected)


def test_the_residual_is_orthogonal_to_what_is_kept():
    weight, kept, x, y = some(5, 9), some_kept(5, 9, seed=1), some(40, 9, seed=2), some(40, 5, seed=3)
    residual = y - x @ refit(weight, kept, x, y).T
    assert float(((x.T @ residual).T * kept).abs().max()) < 1e-10


def test_a_dropped_combination_of_kept_inputs_is_recovered_exactly():
    weight, x = some(3, 6), some(30, 6, seed=1)
    x[:, 5] = 0.5 * x[:, 0] - 2 * x[:, 3]
    kept = torch.ones(3, 6, dtype=torch.bool)
    kept[:, 5] = False
    torch.testing.assert_close(x @ refit(weight, kept, x, x @ weight.T).T, x @ weight.T)


def test_rows_that_lost_nothing_or_everything():
    weight, x = some(2, 4), some(20, 4, seed=1)
    kept = torch.tensor([[True] * 4, [False] * 4])
    told = refit(weight, kept, x, some(20, 2, seed=2))
    assert torch.equal(told, torch.stack([weight[0], torch.zeros(4, dtype=torch.float64)]))


def test_with_fewer_examples_than_weights_the_change_is_the_shortest():
    weight, kept, x = some(1, 12), some_kept(1, 12, seed=1, share=0.7), some(3, 12, seed=2)
    told = refit(weight, kept, x, x @ weight.T)
    torch.testing.assert_close(x @ told.T, x @ weight.T)
    s = kept[0]
    delta = (told - weight)[0, s]
    shortest = torch.linalg.pinv(x[:, s]) @ (x[:, ~s] @ weight[0, ~s])
    torch.testing.assert_close(delta, shortest)


def test_constant_and_repeated_inputs_do_no_harm():
    weight, x = some(2, 6), some(40, 6, seed=1)
    x[:, 1], x[:, 2] = 0.0, x[:, 0]
    kept = torch.tensor([[True, True, True, False, True, False]] * 2)
    told = refit(weight, kept, x, x @ weight.T)
    assert bool(torch.isfinite(told).all())
    assert float((told - weight)[:, kept[0]].abs().max()) < 10


def test_many_columns_that_are_the_same_do_not_hide_the_others():
    """As on digits, whose borders are all one value: torch's gelsy stops at them."""
    x, weight = some(400, 60, seed=1), some(1, 60)
    x[:, 10:40] = -0.42
    kept = torch.arange(60)[None] % 3 != 0
    told, s = refit(weight, kept, x, x @ weight.T), kept[0].numpy()
    delta = np.linalg.lstsq(x.numpy()[:, s], x.numpy()[:, ~s] @ weight[0].numpy()[~s], rcond=None)[0]
    np.testing.assert_allclose(told[0].numpy()[s], weight[0].numpy()[s] + delta, atol=1e-9)


@pytest.mark.parametrize("n", [3, 500])
def test_compressed_rows_have_the_same_solutions(n):
    x, y, weight, kept = some(n, 6), some(n, 4, seed=1), some(4, 6, seed=2), some_kept(4, 6, seed=3)
    pairs = list(zip(x.split(7), y.split(7), strict=True))
    short_x, short_y = compressed(iter(pairs))
    assert len(short_x) <= 10
    torch.testing.assert_close(refit(weight, kept, short_x, short_y), refit(weight, kept, x, y))


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Dropout(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4))


def without_nodes(net, nodes):
    mask, hidden = Mask.full(net), hidden_layers(net)
    kept = {n: torch.tensor([i not in nodes.get(n, ()) for i in range(mask[n].shape[0])]) for n in hidden}
    return keep_nodes(mask, hidden, Mask(kept))


def outputs(net, weights, images):
    return torch.func.functional_call(net.eval(), weights, (images,)).detach()


def test_a_network_loses_nothing_with_nodes_that_others_can_stand_in_for():
    net, images = mlp(), torch.randn(2 * BATCH + 30, 8)
    first = net[0]
    first.weight.data[11], first.bias.data[11] = first.weight.data[3], first.bias.data[3]
    first.weight.data[7], first.bias.data[7] = -first.weight.data[2], -first.bias.data[2]  # tanh is odd
    mask = without_nodes(net, {"0.weight": (7, 11)})
    whole = outputs(net, {}, images)
    masked = outputs(net, dict(reweight(net, mask, images)) | {"3.weight": net[3].weight * mask["3.weight"]}, images)
    assert float((masked - whole).abs().max()) > 1e-2
    torch.testing.assert_close(outputs(net, reweight(net, mask, images), images), whole, rtol=1e-4, atol=1e-5)
    published = outputs(net, reweight(net, mask, images, pre_activation=True), images)
    assert float((published - whole).abs().max()) > 1e-2  # the bias that the reader sees is not in X Wᵀ


def test_the_published_variant_is_exact_for_what_it_assumes():
    torch.manual_seed(0)
    net, images = nn.Sequential(nn.Linear(3, 6, bias=False), nn.Linear(6, 2)), torch.randn(50, 3)
    mask = without_nodes(net, {"0.weight": (1, 2, 5)})
    for published in (False, True):
        new = reweight(net, mask, images, pre_activation=published)
        torch.testing.assert_close(outputs(net, new, images), outputs(net, {}, images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("criterion", ["random_node", "random_edge", "magnitude"])
def test_layers_are_fitted_one_after_another_on_what_they_see(criterion):
    net, images = mlp(), torch.randn(300, 8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    mask = prune(net, criterion, sparsity=0.5, seed=2)
    new = reweight(net, mask, images)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert set(new) == set(mask)
    net.eval()
    whole, seen = images, images
    for index in range(len(net)):
        name = f"{index}.weight"
        if name in mask:
            assert new[name][~mask[name]].count_nonzero() == 0
            assert new[name].dtype == torch.float32
            wanted = nn.functional.linear(whole, net[index].weight)
            residual = (wanted - nn.functional.linear(seen, new[name])).detach().double()
            lost = ~mask[name].all(1)
            product = (seen.double().T @ residual).T / len(images)
            assert float((product * mask[name])[lost].abs().max()) < 1e-4
            assert torch.equal(new[name][~lost], net[index].weight[~lost])
            whole, seen = net[index](whole).detach(), nn.functional.linear(seen, new[name], net[index].bias).detach()
        else:
            whole, seen = net[index](whole), net[index](seen)


def test_reweighting_brings_a_random_mask_near_the_whole_network():
    net, images, test = mlp(), torch.randn(400, 8), torch.randn(200, 8, generator=torch.Generator().manual_seed(9))
    for criterion in ("random_node", "random_edge"):
        mask = prune(net, criterion, sparsity=0.3)
        whole, new = outputs(net, {}, test), outputs(net, reweight(net, mask, images), test)
        plain = outputs(net, {n: p * mask[n] for n, p in net.named_parameters() if n in mask}, test)
        assert float((new - whole).square().mean()) < 0.5 * float((plain - whole).square().mean())


def test_convolutions_are_fitted_on_their_patches_and_groups_only_masked():
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(64, 3)]
    net, images = nn.Sequential(*layers), torch.randn(40, 2, 6, 6)
    mask = prune(net, "random", sparsity=0.4)
    new = reweight(net, mask, images)
    x = columns(net[0], images).transpose(1, 2).flatten(0, 1).double()
    old = net[0].weight.detach().flatten(1)
    told = refit(old, mask["0.weight"].flatten(1), x, x @ old.double().T)
    torch.testing.assert_close(new["0.weight"].flatten(1), told.float(), rtol=1e-4, atol=1e-5)
    assert torch.equal(new["2.weight"], net[2].weight * mask["2.weight"])


def test_layers_are_fitted_in_the_order_of_the_forward_pass():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Linear(5, 2), nn.Linear(4, 5)

        def forward(self, x):
            return self.last(self.first(x).relu())

    torch.manual_seed(0)
    net, images = Backwards(), torch.randn(60, 4)
    mask = prune(net, "random", sparsity=0.4, scope="layer")
    new = reweight(net, mask, images)
    seen = nn.functional.linear(images, new["first.weight"], net.first.bias).relu().detach()
    wanted = nn.functional.linear(net.first(images).relu(), net.last.weight).detach()
    told = refit(net.last.weight.detach(), mask["last.weight"], seen, wanted)
    torch.testing.assert_close(new["last.weight"], told.float(), rtol=1e-3, atol=1e-4)


def test_what_makes_no_sense_is_refused():
    net, images = mlp(), torch.randn(30, 8)
    mask = prune(net, sparsity=0.5)
    with pytest.raises(PrunescopeError, match="cannot take these images"):
        reweight(net, mask, images[:, :3])
    with pytest.raises(PrunescopeError, match="not finite"):
        reweight(net, mask, images * torch.nan)
    full = reweight(net, Mask.full(net), images)
    assert all(torch.equal(full[n], p) for n, p in net.named_parameters() if n in full)
    with pytest.raises(PrunescopeError, match=r"zero already.*before pruning"):
        reweight(mask.apply_(net), mask, images)
