"""Students of a teacher as arrays: weights of many committee machines and what they learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.data import Teacher
from prunescope.data.rule import Rule
from prunescope.measures.subject import Subject
from prunescope.theory import (
    OrderParameters,
    expected_edge_errors,
    expected_node_errors,
    generalization_errors,
    node_error_range,
    order_parameters,
    random_edge_error,
)

Array = NDArray[np.float64]
FIRST, SECOND = "hidden.weight", "output.weight"


class Students(NamedTuple):
    """Committee machines with one output that learned from one rule."""

    w: Array
    """First-layer weights, pruned ones zero ``[students, K, N]``."""
    v: Array
    """Second-layer weights ``[students, K]``."""
    kept: NDArray[np.bool_]
    """Which first-layer weights are kept ``[students, K, N]``."""
    outgoing: NDArray[np.bool_]
    """Which second-layer weights are kept ``[students, K]``."""
    rule: Rule

    @staticmethod
    def of(subjects: Sequence[Subject]) -> Students:
        """Return the students among networks.

        Raises:
            PrunescopeError: for data without a teacher, networks that are no committee machines with one output, and
                a nonlinearity other than erf, for which there is no exact theory.
        """
        rule = Teacher.of(subjects[0].rule).network()
        states = [subject.state for subject in subjects]
        if any(set(state.weights) != {FIRST, SECOND} or len(state.weights[SECOND]) != 1 for state in states):
            raise PrunescopeError("not students of a teacher", expected="committee machines with one output")
        if rule.activation != "erf" or subjects[0].build().nonlinearity != "erf":
            raise PrunescopeError("there is no exact theory of this nonlinearity", expected="erf", got=rule.activation)
        return Students(
            w=np.stack([state.weights[FIRST].double().numpy() for state in states]),
            v=np.stack([state.weights[SECOND][0].double().numpy() for state in states]),
            kept=np.stack([state.mask[FIRST].numpy() for state in states]),
            outgoing=np.stack([state.mask[SECOND][0].numpy() for state in states]),
            rule=rule,
        )

    def order_parameters(self) -> OrderParameters:
        """Return Q ``[students, K, K]``, R ``[students, K, M]`` and T ``[M, M]``."""
        return order_parameters(self.w, self.rule.w.astype(np.float64))

    def errors(self) -> Array:
        """Return the exact generalisation error of each ``[students]``, label noise included."""
        return generalization_errors(*self.order_parameters(), self.v, self.rule.v, self.rule.noise)

    @property
    def share(self) -> Array:
        """Share of all weights that is kept ``[students]``."""
        left = self.kept.sum(axis=(1, 2)) + self.outgoing.sum(axis=1)
        return np.asarray(left / (self.kept[0].size + self.outgoing[0].size))

    @property
    def nodes(self) -> NDArray[np.int64]:
        """How many nodes are left of each ``[students]``: those with any incoming weight kept."""
        return np.asarray(self.kept.any(axis=2).sum(axis=1))

    @property
    def whole_nodes(self) -> bool:
        """Whether every node is kept whole or not at all."""
        return bool((self.kept.all(axis=2) | ~self.kept.any(axis=2)).all())


def random_choice(parents: Students, pruned: Students) -> Array:
    """Return the expected errors of a random choice of as many edges or nodes of each parent ``[students]``."""
    q, r, t = parents.order_parameters()
    rest = (parents.v, parents.rule.v)
    expected = []
    for i, (kept, nodes) in enumerate(zip(pruned.kept.mean(axis=(1, 2)), pruned.nodes, strict=True)):
        one = q[i], r[i], t, rest[0][i], rest[1]
        if pruned.whole_nodes:
            expected.append(expected_node_errors(*one, int(nodes), parents.rule.noise))
        else:
            expected.append(expected_edge_errors(*one, float(kept), parents.rule.noise))
    return np.array(expected)


def ideal_errors(pruned: Students) -> dict[str, float]:
    """Return the errors that the closed forms give for a converged student at this budget, label noise included.

    Nothing where nothing is pruned, where the teacher's nodes cannot have equally many students each, or differ in
    weight, or where students have different numbers of nodes left.
    """
    nodes, teachers, weights = pruned.v.shape[1], len(pruned.rule.v), pruned.rule.v
    if nodes % teachers or (weights != weights[0]).any() or np.unique(pruned.nodes).size > 1:
        return {}
    if pruned.share.min() == 1:
        return {}
    noise, z, v = 0.5 * pruned.rule.noise**2, nodes // teachers, float(weights[0])
    if not pruned.whole_nodes:
        keep = float(pruned.kept.mean())
        return {"random edges": random_edge_error(keep, z, teachers, v) + noise}
    best, worst, mean = node_error_range(int(pruned.nodes[0]), z, teachers, v)
    return {"best nodes": best + noise, "worst nodes": worst + noise, "random nodes": mean + noise}
