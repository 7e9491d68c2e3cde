import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import Committee, build
from prunescope.training.objectives import Batch, SquaredError
from prunescope.training.objectives.squared_error import half_squared_error


def of(outputs, labels):
    return SquaredError()(nn.Identity(), Batch(outputs, labels))


def test_classes_are_indicator_vectors():
    assert of(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([0])) == 0
    assert of(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([2])).item() == pytest.approx((1 + 4 + 1) / 2)


def test_it_is_half_the_mean_over_examples_not_over_outputs():
    outputs = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(7) % 5
    expected = 2.5 * nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, 5).float())
    torch.testing.assert_close(of(outputs, labels), expected)


def test_real_labels_are_the_target():
    outputs, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0])
    assert of(outputs, labels).item() == pytest.approx((1 + 4) / 4)
    assert of(outputs, labels.view(2, 1)) == of(outputs, labels)


def test_its_gradient_on_one_example_is_error_times_output_gradient():
    """The update of online learning: −η v_i g'(λ_i)(ŷ − y) x/√N has no factor beside the error."""
    net = build(Committee(hidden=3), (1, 1, 8), 1, seed=0)
    x, y = torch.randn(1, 1, 1, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0.7])
    SquaredError()(net, Batch(x, y)).backward()
    found = net.hidden.weight.grad.clone()
    net.zero_grad()
    output = net(x)
    output.sum().backward()
    torch.testing.assert_close(found, (output - y).detach() * net.hidden.weight.grad)


def test_half_precision_outputs_do_not_overflow():
    outputs = torch.full((4, 3), 6e4, dtype=torch.float16)
    assert torch.isfinite(half_squared_error(outputs, torch.zeros(4, dtype=torch.int64)))


@pytest.mark.parametrize(
    ("outputs", "labels", "told"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 3]), "a class has no output; expected < 3, got 3"),
        (torch.zeros(2, 3), torch.tensor([0.5, 0.5]), r"differ in shape; expected \(2, 1\), got \(2, 3\)"),
        (torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), "differ in shape"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(outputs, labels, told):
    with pytest.raises(PrunescopeError, match=told):
        of(outputs, labels)
