import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.models import Committee, build
from prunescope.pruning import State
from prunescope.theory import normalize_rows
from prunescope.training import NormalizeRows


def state():
    return State.of(build(Committee(hidden=3), (1, 1, 20), 1, seed=0), seed=0)


def test_rows_get_the_length_of_theory_and_nothing_else_changes(context):
    start = state()
    reached = NormalizeRows()(start, context)
    expected = normalize_rows(start.weights["hidden.weight"].numpy())
    np.testing.assert_allclose(reached.weights["hidden.weight"], expected, rtol=1e-6)
    assert torch.equal(reached.weights["output.weight"], start.weights["output.weight"])
    again = NormalizeRows()(reached, context)
    torch.testing.assert_close(again.weights["hidden.weight"], reached.weights["hidden.weight"])


def test_a_row_of_zeros_is_refused(context):
    start = state()
    start.weights["hidden.weight"][1] = 0
    with pytest.raises(PrunescopeError, match=r"no direction.*1 such"):
        NormalizeRows()(start, context)
    with pytest.raises(PrunescopeError, match="layer"):
        NormalizeRows(layers=("head",))(state(), context)
