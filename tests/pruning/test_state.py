import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, State


def state():
    torch.manual_seed(0)
    return State.of(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), seed=7)


def test_reads_back_what_it_wrote():
    before = state().with_mask(Mask({"0.weight": torch.arange(12).view(4, 3) % 2 == 0}))
    tensors, meta = before.to_tensors()
    after = State.from_tensors(tensors, meta)
    assert after.mask == before.mask
    assert (after.seed, after.step, after.frozen) == (7, 0, frozenset())
    assert all(torch.equal(after.weights[name], before.weights[name]) for name in before.weights)


def test_a_new_mask_zeroes_weights_and_clears_their_optimiser_slots_only():
    slots = {"0.weight/momentum_buffer": torch.ones(4, 3), "0.weight/step": torch.tensor(5.0)}
    before = State(weights=state().weights, mask=state().mask, seed=0, optimizer=slots)
    kept = torch.arange(12).view(4, 3) >= 6
    after = before.with_mask(Mask({"0.weight": kept}))
    assert torch.equal(after.weights["0.weight"], before.weights["0.weight"] * kept)
    assert torch.equal(after.optimizer["0.weight/momentum_buffer"], kept.float())
    assert float(after.optimizer["0.weight/step"]) == 5
    assert torch.equal(before.optimizer["0.weight/momentum_buffer"], torch.ones(4, 3))


def test_a_foreign_file_is_refused():
    with pytest.raises(PrunescopeError, match="not a state file"):
        State.from_tensors({"conv1.weight": torch.zeros(1)}, {"seed": "0", "step": "0", "frozen": "[]"})
