import pytest
import torch
from bench.backward_selection import naive_selection
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.measures import backward_selection, backward_selection_in_rounds, keep_pixels, sufficient_pixels

DOUBLE = torch.float64


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20, 5)
    return nn.Sequential(*layers).to(DOUBLE).eval()


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(3, 2, 4, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))


def linear(weights):
    """Return a network whose confidence in class 0 rises with the weighted sum of one-channel pixels."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2, bias=False)).to(DOUBLE)
    net[1].weight.data = torch.tensor([weights, [0.0] * len(weights)], dtype=DOUBLE)
    return net


def test_it_is_the_naive_loop(net, inputs):
    assert backward_selection(net, inputs).order.tolist() == naive_selection(net, inputs)


def test_a_linear_network_loses_its_pixels_by_weight(inputs):
    found = backward_selection(linear([3.0, -1.0, 2.0, 0.5]), torch.ones(1, 1, 2, 2, dtype=DOUBLE))
    assert found.order.tolist() == [[1, 3, 2, 0]]
    sums = torch.tensor([4.5, 5.5, 5.0, 3.0, 0.0], dtype=DOUBLE)
    assert found.confidence[0] == pytest.approx(torch.sigmoid(sums))


def test_ties_keep_lower_indices_longer():
    flat = backward_selection(linear([1.0, 1.0, 1.0, 1.0]), torch.ones(1, 1, 2, 2, dtype=DOUBLE))
    assert flat.order.tolist() == [[3, 2, 1, 0]]
    rounds = backward_selection_in_rounds(linear([1.0, 1.0, 1.0, 1.0]), torch.ones(1, 1, 2, 2, dtype=DOUBLE), share=0.5)
    assert rounds.order.tolist() == [[3, 2, 1, 0]]


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_the_batch_does_not_matter(net, inputs, batch):
    whole = backward_selection(net, inputs)
    parts = backward_selection(net, inputs, batch=batch)
    assert torch.equal(whole.order, parts.order)
    assert parts.confidence.numpy() == pytest.approx(whole.confidence.numpy())


def test_the_confidences_are_those_of_what_is_left(net, inputs):
    found = backward_selection(net, inputs, mask_value=0.3)
    for taken in (0, 1, 9, 20):
        left = keep_pixels(inputs, found.order, 20 - taken, mask_value=0.3)
        expected = net(left).softmax(1).gather(1, found.classes[:, None])[:, 0]
        assert found.confidence[:, taken] == pytest.approx(expected.detach())


def test_a_round_takes_the_single_best_ones_and_tells_only_what_it_measured(net, inputs):
    found = backward_selection_in_rounds(net, inputs, share=0.25)
    first = found.order[:, :5]
    single = []
    for pixel in range(20):
        other = torch.tensor([[p for p in range(20) if p != pixel] + [pixel]]).expand(3, -1)
        hidden = keep_pixels(inputs, other.flip(1), 19)
        single.append(net(hidden).softmax(1).gather(1, found.classes[:, None]))
    best = torch.cat(single, 1).argsort(1, descending=True)[:, :5]
    assert first.tolist() == best.tolist()
    assert (found.confidence[:, 1:6] == found.confidence[:, 5:6]).all()
    left = keep_pixels(inputs, found.order, 15)
    expected = net(left).softmax(1).gather(1, found.classes[:, None])[:, 0]
    assert found.confidence[:, 5] == pytest.approx(expected.detach())
    assert found.order.sort(1).values.tolist() == [list(range(20))] * 3


def test_rounds_of_one_pixel_are_the_exact_algorithm(net, inputs):
    exact, rounds = backward_selection(net, inputs), backward_selection_in_rounds(net, inputs, share=1e-9)
    assert torch.equal(exact.order, rounds.order)


def test_any_class_may_be_asked_about(net, inputs):
    asked = torch.tensor([4, 0, 2])
    found = backward_selection(net, inputs, classes=asked)
    assert found.classes.tolist() == [4, 0, 2]
    expected = net(inputs).softmax(1).gather(1, asked[:, None])[:, 0]
    assert found.confidence[:, 0] == pytest.approx(expected.detach())


def test_the_mask_value_may_differ_by_channel_and_changes_the_order(net, inputs):
    colour = torch.tensor([0.5, -1.0], dtype=DOUBLE)
    found = backward_selection(net, inputs, mask_value=colour)
    hidden = keep_pixels(inputs, found.order, 0, mask_value=colour)
    assert hidden[:, 0].unique().tolist() == [0.5]
    assert hidden[:, 1].unique().tolist() == [-1.0]
    assert not torch.equal(found.order, backward_selection(net, inputs).order)


def test_inputs_stay_as_they_are(net, inputs):
    before = inputs.clone()
    backward_selection(net, inputs)
    assert torch.equal(inputs, before)


def test_images_that_never_reach_the_threshold_are_told():
    confidence = torch.tensor([[0.9, 0.95, 0.5, 0.97], [0.3, 0.2, 0.1, 0.1]])
    assert sufficient_pixels(confidence, 0.9).tolist() == [0, -1]
    assert sufficient_pixels(confidence[:, :3], 0.9).tolist() == [1, -1]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_outside_its_range_is_refused(net, inputs, share):
    with pytest.raises(PrunescopeError, match="share"):
        backward_selection_in_rounds(net, inputs, share=share)


def test_bad_input_is_refused(net, inputs):
    with pytest.raises(PrunescopeError, match="form"):
        backward_selection(net, inputs[0])
    with pytest.raises(PrunescopeError, match="one class"):
        backward_selection(net, inputs, classes=torch.tensor([1]))
    with pytest.raises(PrunescopeError, match="threshold"):
        sufficient_pixels(torch.ones(1, 2), 0.0)
    with pytest.raises(PrunescopeError, match="diverged"):
        backward_selection(net, inputs * float("nan"))
