"""Hidden nodes: which linear layer feeds which, and the masks of their nodes."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import ClassVar

from torch import fx, nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.budget import Budget
from prunescope.pruning.criterion import Criterion, Evidence, Unit
from prunescope.pruning.mask import Mask, prunable

# What keeps the nodes of a layer apart: lower-case names of modules, functions and tensor methods.
ACTIVATIONS = (
    "relu relu6 leakyrelu leaky_relu elu selu celu gelu silu mish sigmoid logsigmoid tanh erf softplus softsign"
)
BOUNDED = "hardtanh hardswish hardsigmoid clamp abs neg square add sub mul truediv pow"
IDENTITIES = "identity dropout alphadropout batchnorm1d"
ELEMENTWISE = frozenset(f"{ACTIVATIONS} {BOUNDED} {IDENTITIES}".split())


def hidden_layers(net: nn.Module) -> dict[str, str]:
    """Return the weight of each hidden linear layer and of the one linear layer that reads its nodes.

    Between the two stand only elementwise acts (activations, dropout, scalars, one-dimensional batch norm); a layer
    whose output goes anywhere else too, or that is called more than once, is not among them.

    Raises:
        PrunescopeError: for a network whose forward pass cannot be traced.

    Example:
        >>> hidden_layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        {'0.weight': '2.weight'}
    """
    try:
        graph = fx.Tracer().trace(net)
    except Exception as error:  # whatever the network's own code does with a stand-in for a tensor
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError(
            "the network cannot be traced, so that its hidden layers are not known", got=told
        ) from None
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    weights = {name.rpartition(".")[0]: name for name in prunable(net)}
    linear = {
        node: weights[str(node.target)]
        for node in graph.nodes
        if node.op == "call_module" and isinstance(net.get_submodule(str(node.target)), nn.Linear)
    }
    linear = {node: name for node, name in linear.items() if calls[str(node.target)] == 1}
    successors = {name: _reader(net, node) for node, name in linear.items()}
    return {name: linear[reader] for name, reader in successors.items() if reader in linear}


def _reader(net: nn.Module, node: fx.Node) -> fx.Node | None:
    """Follow the only use of a node through elementwise acts to the first other act."""
    while len(node.users) == 1:
        (user,) = node.users
        if user.op == "call_module":
            name = type(net.get_submodule(str(user.target))).__name__
        else:
            name = str(getattr(user.target, "__name__", user.target))
        if name.lower() not in ELEMENTWISE:
            return user
        if user.all_input_nodes != [node]:
            return None
        node = user
    return None


def alive_nodes(mask: Mask, hidden: Mapping[str, str]) -> Mask:
    """Return which nodes of each hidden layer have any weight left, into them or out of them."""
    return Mask({name: mask[name].any(1) | mask[after].any(0) for name, after in hidden.items()})


def keep_nodes(mask: Mask, hidden: Mapping[str, str], nodes: Mask) -> Mask:
    """Return ``mask`` without the incoming row and the outgoing column of every node that is not kept."""
    tensors = dict(mask)
    for name, after in hidden.items():
        kept = nodes[name].to(mask[name].device)
        tensors[name] = tensors[name] & kept[:, None]
        tensors[after] = tensors[after] & kept
    return Mask(tensors)


class NodeCriterion(Criterion):
    """Removes hidden nodes of linear layers: their incoming weights and their outgoing ones.

    The budget counts nodes of the hidden layers; a global one takes the same share of each. A member says which
    nodes stay, layer by layer.

    Attributes:
        layers: names of the hidden layers to prune, or patterns (``fnmatch``); all of them when empty.
    """

    unit: ClassVar[Unit] = "node"

    layers: tuple[str, ...] = ()

    def hidden(self, net: nn.Module, mask: Mask) -> dict[str, str]:
        """Return the hidden layers to prune and their readers, both covered by ``mask``.

        Raises:
            PrunescopeError: when there is none, and for a name that is not one of them.
        """
        found = {name: after for name, after in hidden_layers(net).items() if name in mask and after in mask}
        modules = [name.rpartition(".")[0] for name in found]
        if not found:
            expected = "a Linear layer that feeds another Linear layer alone, neither of them ignored"
            raise PrunescopeError("no hidden nodes to prune", expected=expected, got=type(net).__name__)
        for pattern in self.layers:
            if not _named(modules, pattern):
                raise PrunescopeError("layers names no hidden layer", expected=", ".join(modules), got=pattern)
        wanted = {m for pattern in self.layers or ("*",) for m in _named(modules, pattern)}
        return {name: after for name, after in found.items() if name.rpartition(".")[0] in wanted}

    def counts(self, net: nn.Module, mask: Mask) -> dict[str, tuple[int, int]]:
        """Return ``{weight of a hidden layer: (nodes alive, nodes)}``."""
        return alive_nodes(mask, self.hidden(net, mask)).counts()

    def __call__(self, net: nn.Module, mask: Mask, budget: Budget, evidence: Evidence) -> Mask:
        """Return the mask without the nodes that go.

        Raises:
            PrunescopeError: for a budget that empties a layer.
        """
        if self.needs_data and evidence.stored is None:
            evidence.sample()
        hidden = self.hidden(net, mask)
        nodes = alive_nodes(mask, hidden)
        counts = budget.shared_out(nodes.counts())
        for name, count in counts.items():
            if count < 1:
                raise PrunescopeError("this budget empties a layer", expected="at least 1 node", got=count, where=name)
        shared = Budget(counts=counts, scope="layer")
        return keep_nodes(mask, hidden, self.survivors(net, mask, hidden, nodes, shared, evidence))

    @abstractmethod
    def survivors(
        self, net: nn.Module, mask: Mask, hidden: Mapping[str, str], nodes: Mask, budget: Budget, evidence: Evidence
    ) -> Mask:
        """Return which of the alive ``nodes`` stay, bool ``[nodes]`` by layer, as many as the budget says."""


def _named(names: Sequence[str], pattern: str) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]
