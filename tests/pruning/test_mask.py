from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Mask, prunable


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def some_mask():
    generator = torch.Generator().manual_seed(1)
    return Mask({n: torch.rand(p.shape, generator=generator) > 0.5 for n, p in prunable(small_net()).items()})


def test_is_a_mapping_with_counts_and_sparsity():
    mask = Mask({"a": torch.tensor([True, False]), "b": torch.tensor([False, False])})
    assert dict(mask).keys() == {"a", "b"}
    assert mask.counts() == {"a": (1, 2), "b": (0, 2)}
    assert mask.sparsity == 0.75
    assert mask.collapsed() == ["b"]


def test_does_not_change_when_the_tensor_it_came_from_does():
    tensor = torch.ones(3, dtype=torch.bool)
    mask = Mask({"a": tensor})
    tensor[0] = False
    assert mask.sparsity == 0.0


def test_and_keeps_what_both_keep():
    left, right = Mask({"a": torch.tensor([True, True, False])}), Mask({"a": torch.tensor([True, False, True])})
    assert (left & right)["a"].tolist() == [True, False, False]
    assert (left & right).within(left)
    assert not left.within(right)


def test_covers_conv_and_linear_weights_only_in_the_networks_order():
    assert list(Mask.full(small_net())) == ["0.weight", "3.weight"]


def test_apply_zeroes_in_place_and_leaves_the_rest():
    net, mask = small_net(), some_mask()
    before = {n: p.clone() for n, p in net.named_parameters()}
    assert mask.apply_(net) is net
    for name, parameter in net.named_parameters():
        kept = mask.get(name, torch.ones_like(parameter, dtype=torch.bool))
        assert torch.equal(parameter, before[name] * kept)


def test_reads_back_what_it_saved(tmp_path):
    mask = some_mask()
    mask.save(tmp_path / "mask.safetensors")
    assert Mask.load(tmp_path / "mask.safetensors") == mask


def test_reads_the_masks_of_torch_prune_and_fills_untouched_layers():
    net = small_net()
    torch_prune.l1_unstructured(net[3], "weight", amount=10)
    mask = Mask.from_torch_prune(net)
    assert mask.counts() == {"0.weight": (18, 18), "3.weight": (14, 24)}
    assert torch.equal(mask["3.weight"], net[3].weight_mask.bool())


def test_reads_zeros_as_pruned():
    net = some_mask().apply_(small_net())
    assert Mask.from_zeros(net) == some_mask()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Mask({"a": torch.ones(2)}), "bool tensors"),
        (lambda: Mask({"a": [True]}), "bool tensors"),
        (lambda: some_mask() & Mask({"a": torch.tensor([True])}), "different tensors"),
        (lambda: Mask({"9.weight": torch.tensor([True])}).apply_(small_net()), "no such parameter"),
        (lambda: Mask({"0.weight": torch.tensor([True])}).apply_(small_net()), "mask does not fit"),
        (lambda: Mask.from_torch_prune(small_net()), "no torch.nn.utils.prune mask"),
        (lambda: Mask.full(nn.ReLU()), "nothing to prune"),
    ],
)
def test_what_makes_no_sense_is_refused(call, told):
    with pytest.raises(PrunescopeError, match=told):
        call()


def test_two_layers_that_share_a_weight_are_refused():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    with pytest.raises(PrunescopeError, match="share one weight"):
        Mask.full(net)
    twice = nn.Linear(3, 3)
    with pytest.raises(PrunescopeError, match="share one weight"):
        Mask.full(nn.Sequential(twice, twice))


def test_foreign_truncated_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "mask.safetensors"
    with pytest.raises(PrunescopeError, match="not a mask file"):
        Mask.load(path)
    some_mask().save(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(PrunescopeError, match="not a mask file"):
        Mask.load(path)
    from safetensors.torch import save_file

    save_file({"a": torch.tensor([0.5])}, path)
    with pytest.raises(PrunescopeError, match="entries 0 and 1"):
        Mask.load(path)


def test_a_pickle_is_refused_and_never_executed(tmp_path):
    import pickle

    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "mask.pt"
    path.write_bytes(pickle.dumps({"0.weight": Hostile()}))
    with pytest.raises(PrunescopeError, match="not a mask file"):
        Mask.load(path)
    assert not (tmp_path / "executed").exists()
