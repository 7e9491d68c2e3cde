import math

import pytest
import torch
from torch import nn

from prunescope.core.schedule import constant
from prunescope.data import Digits, Normalization
from prunescope.models import MLP, build
from prunescope.pruning import State
from prunescope.training import Feed, train
from prunescope.training.evaluation import evaluate
from prunescope.training.objectives import Batch, CrossEntropy, SoftmaxCrossEntropy
from prunescope.training.optimizers import Sgd


def of(logits, labels):
    return SoftmaxCrossEntropy()(nn.Identity(), Batch(logits, labels))


def gradient(objective, logits, labels):
    logits = logits.clone().requires_grad_()
    objective(nn.Identity(), Batch(logits, labels)).backward()
    return logits.grad


def test_it_is_cross_entropy_of_probabilities():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0])
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    expected = -(p[torch.arange(5), labels] - p.exp().sum(1).log()).mean()
    torch.testing.assert_close(of(logits, labels), expected)


def test_it_is_bounded_by_the_values_of_a_sure_network():
    sure, k = torch.full((1, 10), -50.0), 10
    sure[0, 3] = 50.0
    assert math.isclose(of(sure, torch.tensor([3])).item(), math.log(1 + (k - 1) / math.e), rel_tol=1e-6)
    assert math.isclose(of(sure, torch.tensor([4])).item(), math.log(math.e + k - 1), rel_tol=1e-6)


def test_its_gradient_is_the_formula_of_its_docstring():
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = logits.softmax(1)[0]
    jacobian = p.diag() - torch.outer(p, p)
    expected = jacobian @ (p.softmax(0) - torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(gradient(SoftmaxCrossEntropy(), logits, torch.tensor([2]))[0], expected)


def test_its_gradients_are_smaller_and_vanish_where_the_network_is_surely_wrong():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (500,), generator=generator)
    for scale in (0.1, 1.0, 10.0):
        logits = scale * torch.randn(500, 10, generator=generator)
        mistaken, right = (gradient(o, logits, labels).norm() for o in (SoftmaxCrossEntropy(), CrossEntropy()))
        assert mistaken < 0.2 * right
    wrong = torch.tensor([[30.0, 0.0, 0.0]])
    assert gradient(SoftmaxCrossEntropy(), wrong, torch.tensor([1])).norm() < 1e-10
    assert gradient(CrossEntropy(), wrong, torch.tensor([1])).norm() > 1


@pytest.mark.parametrize("seed", range(3))
def test_it_trains_worse_at_equal_steps_and_its_gradients_are_smaller(seed):
    splits = Digits().load()
    digits, normalization = splits["train"], Normalization.of(splits["train"].images)
    feed = Feed(data=digits, batch=64, normalization=normalization)

    def build_one():
        return build(MLP(hidden=(32,)), digits.shape, 10, seed)

    def gradient_norm(objective):
        net = build_one()
        objective(net, next(feed.batches(seed, 0))).backward()
        return torch.cat([parameter.grad.flatten() for parameter in net.parameters()]).norm()

    def accuracy(objective):
        net = build_one()
        options = {"optimizer": Sgd(lr=0.1, momentum=0.9), "schedule": constant(), "until": 2 * feed.per_epoch}
        after = train(net, State.of(net, seed=seed), feed, objective=objective, **options)
        return evaluate(after.load_into(net).eval(), splits["test"], normalization)["accuracy"]

    assert gradient_norm(SoftmaxCrossEntropy()) < 0.3 * gradient_norm(CrossEntropy())
    assert accuracy(SoftmaxCrossEntropy()) < accuracy(CrossEntropy()) - 0.2
