import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.training import OBJECTIVES
from prunescope.training.objectives import Batch, SupCon
from prunescope.training.objectives.supcon import supcon_loss


def by_hand(embeddings, labels, temperature, base):
    """The formula as it stands in the paper, one pair at a time, in float64."""
    z = np.asarray(embeddings, dtype=np.float64)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    rows = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if positives:
            partition = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
            rows.append(sum(z[i] @ z[p] / temperature - math.log(partition) for p in positives) / len(positives))
    return -temperature / base * sum(rows) / len(rows)


def drawn(n, d, classes, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator).to(dtype), torch.randint(classes, (n,), generator=generator)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 24), d=st.integers(1, 9), classes=st.integers(1, 6), seed=st.integers(0, 10**6),
    temperature=st.sampled_from([0.07, 0.5, 2.0]),
)  # fmt: skip
def test_it_is_the_formula(n, d, classes, seed, temperature):
    z, labels = drawn(n, d, classes, seed)
    if len(set(labels.tolist())) < n:
        expected = by_hand(z.numpy(), labels.tolist(), temperature, 0.07)
        assert supcon_loss(z, labels, temperature, 0.07).item() == pytest.approx(expected, rel=2e-4, abs=2e-4)
        double = supcon_loss(z.double(), labels, temperature, 0.07)
        assert double.dtype == torch.float64 and double.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_two_views_without_labels_are_simclr():
    """With every image its own class the loss is the NT-Xent loss: cross-entropy of the similarities."""
    z, _ = drawn(12, 5, 1)
    labels = torch.arange(6).repeat(2)
    unit = z / z.norm(dim=1, keepdim=True)
    similarity = (unit @ unit.T / 0.5).fill_diagonal_(-math.inf)
    expected = nn.functional.cross_entropy(similarity, torch.arange(12).roll(6))
    torch.testing.assert_close(supcon_loss(z, labels, 0.5, 0.5), expected)


def test_a_hand_sized_example():
    """Two rows alike and one at a right angle: each of the pair has −(1 − log(e + 1)); the third has no positive."""
    z = torch.tensor([[2.0, 0.0], [0.5, 0.0], [0.0, 3.0]])
    expected = math.log(math.e + 1) - 1
    assert supcon_loss(z, torch.tensor([4, 4, 9]), 1.0, 1.0).item() == pytest.approx(expected)


def test_it_is_invariant_to_lengths_and_rotations_and_carries_the_factor_of_the_temperatures():
    z, labels = drawn(10, 4, 3)
    before = supcon_loss(z, labels, 0.5, 0.07)
    lengths = torch.linspace(0.1, 30, 10).unsqueeze(1)
    turn = torch.linalg.qr(drawn(4, 4, 1, seed=5)[0])[0]
    torch.testing.assert_close(supcon_loss(lengths * z @ turn, labels, 0.5, 0.07), before)
    torch.testing.assert_close(supcon_loss(z, labels, 0.5, 0.5) * 0.5 / 0.07, before)


def test_rows_without_positives_are_no_anchors_but_are_still_others():
    z, labels = drawn(7, 3, 2)
    labels[-1] = 5
    assert supcon_loss(z, labels, 0.5, 0.07).item() == pytest.approx(by_hand(z, labels.tolist(), 0.5, 0.07), rel=1e-5)
    assert supcon_loss(z[:-1], labels[:-1], 0.5, 0.07) < supcon_loss(z, labels, 0.5, 0.07)


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0], [0, 1, 2, 3]])
def test_the_smallest_batches_have_finite_loss_and_gradient(labels):
    z = drawn(len(labels), 3, 1)[0].requires_grad_()
    loss = supcon_loss(z, torch.tensor(labels), 0.07, 0.07)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()
    if len(set(labels)) == len(labels) or len(labels) == 2:
        assert loss == 0


def test_zero_embeddings_have_a_finite_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    supcon_loss(z + torch.eye(4, 3) * torch.tensor([[0.0], [1.0], [0.0], [1.0]]), torch.zeros(4), 0.5, 0.07).backward()
    assert torch.isfinite(z.grad).all() and z.grad.abs().max() < 100


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_half_precision_is_safe_and_close(dtype, scale):
    z, labels = drawn(32, 16, 4)
    low = (scale * z).to(dtype).requires_grad_()
    loss = supcon_loss(low, labels, 0.07, 0.07)
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(low.grad).all()
    assert loss.item() == pytest.approx(by_hand(low.detach().float(), labels.tolist(), 0.07, 0.07), rel=1e-5)


def test_autocast_does_not_lower_its_precision():
    z, labels = drawn(32, 16, 4)
    exact = supcon_loss(z, labels, 0.07, 0.07)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(supcon_loss(z, labels, 0.07, 0.07), exact)


def test_its_gradient_is_that_of_finite_differences():
    z, labels = drawn(6, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: supcon_loss(x, labels, 0.5, 0.07), z.requires_grad_())


def test_a_layer_is_embedded_and_what_lies_behind_it_is_not_trained():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    batch = Batch(drawn(8, 4, 1)[0].view(8, 1, 2, 2), torch.arange(4).repeat(2))
    loss = SupCon(layer="1")(net, batch)
    torch.testing.assert_close(loss, supcon_loss(net[1](batch.images.flatten(1)), batch.labels, 0.5, 0.07))
    loss.backward()
    assert net[1].weight.grad is not None and net[3].weight.grad is None
    assert not net[1]._forward_hooks
    whole = SupCon()(net, batch)
    torch.testing.assert_close(whole, supcon_loss(net(batch.images), batch.labels, 0.5, 0.07))


def test_without_labels_only_the_two_views_of_an_image_attract_each_other():
    batch = Batch(drawn(8, 4, 1)[0].view(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64))
    pairs = torch.arange(4).repeat(2)
    found = SupCon(labels=False)(nn.Flatten(), batch)
    torch.testing.assert_close(found, supcon_loss(batch.images.flatten(1), pairs, 0.5, 0.07))
    assert found != SupCon()(nn.Flatten(), batch)


def test_a_layer_that_is_not_there_or_not_used_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    net.spare = nn.Linear(3, 3)
    net.forward = lambda x: net[1](net[0](x))
    batch = Batch(torch.zeros(2, 1, 2, 2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(PrunescopeError, match=r"supcon: unknown layer 'spar'\. did you mean 'spare'"):
        SupCon(layer="spar")(net, batch)
    with pytest.raises(PrunescopeError, match="does not use this layer; got spare"):
        SupCon(layer="spare")(net, batch)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"base_temperature": -1}, {"tau": 0.1}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(PrunescopeError, match="supcon"):
        OBJECTIVES.build({"supcon": options})
