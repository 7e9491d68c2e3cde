import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, prune
from prunescope.pruning.criteria.snip import loss_gradients
from prunescope.pruning.layer_inputs import BATCH, masked_weights


def net_and_data(n=2 * BATCH + 5):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(4 * 16, 5)]
    return nn.Sequential(*layers), torch.randn(n, 1, 6, 6), torch.randint(5, (n,))


def by_hand(net, images, labels):
    """|w · dL/dw| with the gradients that backward leaves, of a copy in evaluation mode."""
    net.eval().zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    return {n: (p * p.grad).abs().detach() for n, p in net.named_parameters() if n in ("0.weight", "5.weight")}


def test_equals_autograd_by_hand_and_leaves_no_trace():
    net, images, labels = net_and_data()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    mask = prune(net, "snip", sparsity=0.6, data=(images, labels))
    assert net.training
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert net[5].weight.grad is None
    assert int(net[1].num_batches_tracked) == 0
    scores = by_hand(net, images, labels)
    flat = torch.cat([s.flatten() for s in scores.values()])
    threshold = flat.sort(descending=True).values[mask.kept - 1]
    assert all(torch.equal(mask[n], s >= threshold) for n, s in scores.items())


def test_gradients_of_the_batches_add_up_to_the_mean():
    net, images, labels = net_and_data()
    weights = masked_weights(net, Mask.full(net))
    told = loss_gradients(net, weights, images, labels)
    by_hand(net, images, labels)
    for name, parameter in net.named_parameters():
        if name in told:
            torch.testing.assert_close(told[name], parameter.grad, rtol=1e-4, atol=1e-7)


def test_all_layers_share_one_forward_and_one_backward_pass(monkeypatch):
    net, images, labels = net_and_data()
    forward, backward = [], []

    def count(_, inputs, output):
        if output.requires_grad:
            forward.append(len(inputs[0]))

    net.register_forward_hook(count)
    grad = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: backward.append(1) or grad(*a, **k))
    loss_gradients(net, masked_weights(net, Mask.full(net)), images, labels)
    assert forward == [BATCH, BATCH, 5]
    assert len(backward) == 3


def test_the_masked_network_is_asked():
    net, images, labels = net_and_data(50)
    first = prune(net, "random", sparsity=0.5)
    second = prune(net, "snip", sparsity=0.8, mask=first, data=(images, labels))
    scores = by_hand(first.apply_(net), images, labels)
    kept = torch.cat([scores[n][second[n]] for n in second])
    gone = torch.cat([scores[n][first[n] & ~second[n]] for n in second])
    assert float(kept.min()) >= float(gone.max())


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (torch.full((4,), 5), "labels do not fit"),
        (torch.full((4,), -1), "labels do not fit"),
        (torch.zeros(4), "labels do not fit"),
        (torch.zeros(4, 1, dtype=torch.int64), "labels do not fit"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, told):
    net, images, _ = net_and_data(4)
    with pytest.raises(PrunescopeError, match=told):
        prune(net, "snip", sparsity=0.5, data=(images, labels))


def test_networks_without_logits_and_images_with_nan_are_refused():
    net, images, labels = net_and_data(4)
    with pytest.raises(PrunescopeError, match="no logits"):
        prune(nn.Conv2d(1, 2, 3), "snip", sparsity=0.5, data=(images, labels))
    with pytest.raises(PrunescopeError, match="a score is NaN"):
        prune(net, "snip", sparsity=0.5, data=(images * torch.nan, labels))
