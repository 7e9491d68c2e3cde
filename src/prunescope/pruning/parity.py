"""Parity of nodes and edges: how many of the one cost as many weights as how many of the other."""

from __future__ import annotations

import math
from collections.abc import Mapping

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.budget import Budget, checked_fraction
from prunescope.pruning.hidden import alive_nodes
from prunescope.pruning.mask import Mask


def parity_budget(mask: Mask, hidden: Mapping[str, str], *, sparsity: float) -> Budget:
    r"""Return how many nodes of each hidden layer cost as many weights as pruning edges to ``sparsity`` would leave.

    Of N incoming edges each node would keep $e = \lfloor (1 - s) N \rfloor$; the layer keeps
    :func:`nodes_for_edges` of e nodes. A node costs its outgoing weights too, so that more than 1 − s of them go only
    where edges would leave few weights.

    Args:
        mask: of the network.
        hidden: weight of each layer and of its reader, see :func:`prunescope.pruning.hidden.hidden_layers`.
        sparsity: pruned share of the incoming edges.

    Raises:
        PrunescopeError: when fewer nodes are alive than that.
    """
    checked_fraction(sparsity)
    kept = {}
    for name, after in hidden.items():
        nodes, inputs = mask[name].shape
        edges = math.floor(round((1 - sparsity) * inputs, 9))  # 0.3 · 10 is 3, whatever floats say
        kept[name] = nodes_for_edges(edges, inputs=inputs, hidden=nodes, outputs=mask[after].shape[0])
    return Budget.of_layers(alive_nodes(mask, hidden).counts(), kept)


def nodes_for_edges(edges: int, *, inputs: int, hidden: int, outputs: int) -> int:
    r"""Return the nodes that cost as many weights as ``edges`` incoming edges kept of each of all ``hidden`` nodes.

    $\lceil K (e + M) / (N + M) \rceil$ for N inputs, K hidden nodes and M outputs: edge pruning leaves K·e incoming
    and all K·M outgoing weights, a node costs N + M.

    Raises:
        PrunescopeError: for edges outside [0, inputs], or a layer without units.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> nodes_for_edges(78, inputs=784, hidden=500, outputs=500)
        226
    """
    _checked_parity(edges, inputs, "edges", inputs, hidden, outputs)
    return -(-hidden * (edges + outputs) // (inputs + outputs))


def edges_for_nodes(nodes: int, *, inputs: int, hidden: int, outputs: int) -> int:
    r"""Return the incoming edges of each hidden node that cost as many weights as ``nodes`` nodes kept whole.

    $(k (N + M) - K M) / K$, halves rounded up; the inverse of :func:`nodes_for_edges` up to rounding.

    Raises:
        PrunescopeError: for nodes outside [1, hidden], a layer without units, and for so few nodes that the
            outgoing weights of edge pruning alone cost more.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> [edges_for_nodes(k, inputs=500, hidden=6, outputs=1) for k in (1, 2, 3)]
        [83, 166, 250]
    """
    _checked_parity(nodes, hidden, "nodes", inputs, hidden, outputs)
    spare = nodes * (inputs + outputs) - hidden * outputs
    if spare < 0 or nodes < 1:
        expected = f"at least {-(-hidden * outputs // (inputs + outputs))} nodes"
        raise PrunescopeError("these nodes cost less than the outgoing weights alone", expected=expected, got=nodes)
    return (2 * spare + hidden) // (2 * hidden)


def _checked_parity(count: int, most: int, what: str, *sizes: int) -> None:
    if min(sizes) < 1 or not 0 <= count <= most:
        raise PrunescopeError(f"{what} out of range", expected=f"0 to {most}, layers with units", got=(count, *sizes))
