import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.pruning import Mask, prune
from prunescope.pruning.hidden import alive_nodes, hidden_layers, keep_nodes


class Functional(nn.Module):
    """Activations as functions and scalars, and a block whose output is added to its input."""

    def __init__(self, mix=None):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.mix = mix

    def forward(self, x):
        x = torch.erf(functional.dropout(self.first(x), training=self.training) / 2**0.5) * 2
        y = self.second(x)
        y = self.mix(x, y) if self.mix else y.tanh()
        return self.last(y)


@pytest.mark.parametrize(
    ("between", "hidden"),
    [
        ([nn.ReLU()], True),
        ([nn.BatchNorm1d(5), nn.GELU(), nn.Dropout()], True),
        ([], True),
        ([nn.LayerNorm(5)], False),
        ([nn.Softmax(dim=1)], False),
        ([nn.Unflatten(1, (5, 1)), nn.Flatten()], False),
    ],
    ids=str,
)
def test_only_what_keeps_nodes_apart_may_stand_between(between, hidden):
    net = nn.Sequential(nn.Linear(4, 5), *between, nn.Linear(5, 2))
    assert hidden_layers(net) == ({"0.weight": f"{len(between) + 1}.weight"} if hidden else {})


def test_functions_and_residual_sums():
    both = {"first.weight": "second.weight", "second.weight": "last.weight"}
    assert hidden_layers(Functional()) == both
    assert hidden_layers(Functional(mix=lambda x, y: x + y)) == {}
    assert hidden_layers(Functional(mix=lambda x, y: y + y)) == both
    assert hidden_layers(Functional(mix=lambda x, y: y.tanh() + y)) == {"first.weight": "second.weight"}
    assert hidden_layers(Functional(mix=lambda x, y: y * x.relu())) == {}


def test_layers_called_twice_and_two_readers():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.c(self.b(self.b(self.a(x))))

    class Heads(Shared):
        def forward(self, x):
            x = self.a(x).relu()
            return self.b(x), self.c(x)

    assert hidden_layers(Shared()) == {}
    assert hidden_layers(Heads()) == {}


def test_the_models_here():
    lenet = build(MODELS.build("lenet5"), (1, 28, 28), 10, seed=0)
    assert hidden_layers(lenet) == {"fc1.weight": "fc2.weight", "fc2.weight": "fc3.weight"}
    for activation in ("relu", "sigmoid", "tanh", "erf"):
        mlp = build(MODELS.build({"mlp": {"activation": activation, "dropout": 0.5}}), (1, 4, 4), 10, seed=0)
        assert hidden_layers(mlp) == {"linear1.weight": "linear2.weight", "linear2.weight": "linear3.weight"}


def test_networks_without_hidden_nodes_or_that_cannot_be_traced_are_refused():
    resnet = build(MODELS.build("resnet20"), (3, 8, 8), 10, seed=0)
    with pytest.raises(PrunescopeError, match="no hidden nodes"):
        prune(resnet, "random_node", sparsity=0.5)
    with pytest.raises(PrunescopeError, match="no hidden nodes"):
        prune(Functional(), "random_node", sparsity=0.5, ignore=["second"])
    branching = Functional(mix=lambda x, y: y if y.sum() > 0 else x)
    with pytest.raises(PrunescopeError, match="cannot be traced"):
        prune(branching, "random_node", sparsity=0.5)


def test_layers_can_be_named():
    net = Functional()
    told = prune(net, "random_node", sparsity=0.6, layers=["first"])
    assert told.counts() == {"first.weight": (12, 30), "second.weight": (10, 25), "last.weight": (15, 15)}
    assert prune(net, "random_node", sparsity=0.6, layers=["f*"]) == told
    assert prune(net, "random_node", sparsity=0.6, ignore=["last"]) == Mask(
        {name: told[name] for name in ("first.weight", "second.weight")}
    )
    with pytest.raises(PrunescopeError, match="expected first, second, got last"):
        prune(net, "random_node", sparsity=0.6, layers=["last"])


@pytest.mark.parametrize("criterion", ["random_node", "importance_node"])
def test_a_network_without_the_nodes_gives_the_same_outputs(criterion):
    torch.manual_seed(0)
    net, images = Functional().eval(), torch.randn(9, 6)
    mask = prune(net, criterion, sparsity=0.5, seed=3)
    one, two = mask["first.weight"].any(1), mask["second.weight"].any(1)
    small = Functional().eval()
    small.first, small.second, small.last = nn.Linear(6, int(one.sum())), nn.Linear(1, 1), nn.Linear(1, 1)
    small.first.weight.data, small.first.bias.data = net.first.weight[one], net.first.bias[one]
    small.second.weight.data, small.second.bias.data = net.second.weight[two][:, one], net.second.bias[two]
    small.last.weight.data, small.last.bias.data = net.last.weight[:, two], net.last.bias
    assert int(one.sum()) + int(two.sum()) == 5
    torch.testing.assert_close(mask.apply_(net)(images), small(images))


def test_a_node_is_alive_while_any_of_its_weights_is():
    net = Functional()
    hidden = hidden_layers(net)
    mask = Mask.full(net)
    tensors = dict(mask)
    tensors["first.weight"] = tensors["first.weight"] & torch.tensor([False, True, True, True, True])[:, None]
    half_dead = Mask(tensors)
    assert alive_nodes(half_dead, hidden)["first.weight"].tolist() == [True] * 5
    nodes = Mask({n: torch.tensor([False, False, True, True, True]) for n in hidden})
    after = keep_nodes(half_dead, hidden, nodes)
    assert alive_nodes(after, hidden) == nodes
    assert prune(net, "random_node", sparsity=0.4, mask=after) == after
