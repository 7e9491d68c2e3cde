"""NormalizeRows: every node's incoming weights get the same length."""

from __future__ import annotations

import math
from dataclasses import replace

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns, matching
from prunescope.pruning import State
from prunescope.training.stages.stage import STAGES, Context, Stage
from prunescope.training.stages.targets import changeable


@STAGES.register("normalize_rows")
class NormalizeRows(Stage):
    r"""Scale the incoming weights of every node: $w_i \leftarrow \sqrt N\, w_i / \lVert w_i \rVert$, so that Q_ii = 1.

    Published as a step before pruning. The outgoing weights are not scaled in return (no scale of erf would undo it),
    so the network's function changes.

    Attributes:
        layers: patterns of layers or tensors.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    layers: Patterns = ("hidden",)

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with rows of length √N.

        Raises:
            PrunescopeError: for a row of zeros.
        """
        weights = dict(state.weights)
        for name in matching(changeable(state, (), "normalize_rows"), self.layers, "normalize_rows"):
            rows = weights[name].flatten(1).double()
            lengths = rows.norm(dim=1, keepdim=True)
            if not bool((lengths > 0).all()):
                got = f"{int((lengths == 0).sum())} such rows"
                raise PrunescopeError("a row of zeros has no direction", got=got, where=name)
            scaled = rows * (math.sqrt(rows.shape[1]) / lengths)
            weights[name] = scaled.view(weights[name].shape).to(weights[name])
        return replace(state, weights=weights)
