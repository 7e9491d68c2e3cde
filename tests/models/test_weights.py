import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunescope.core.errors import PrunescopeError
from prunescope.models.weights import plain_module, plain_weights

KNOWN = ["conv.weight", "conv.bias", "fc.weight"]


def held(**changes):
    tensors = {"conv.weight": torch.ones(2, 1, 3, 3), "conv.bias": torch.ones(2), "fc.weight": torch.ones(4, 2)}
    return tensors | {name.replace("__", "."): value for name, value in changes.items()}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "net.backbone.module."])
def test_prefixes_of_wrappers_come_off(prefix):
    assert list(plain_weights({prefix + name: t for name, t in held().items()}, KNOWN).tensors) == KNOWN


def test_a_compiled_part_loses_its_prefix_too():
    tensors = {name.replace("conv.", "conv._orig_mod."): t for name, t in held().items()}
    assert list(plain_weights(tensors, KNOWN).tensors) == KNOWN


def test_a_prefix_that_the_network_has_stays():
    known = ["module.weight", "module.bias"]
    assert list(plain_weights({name: torch.ones(1) for name in known}, known).tensors) == known


def test_original_times_mask_is_the_weight_and_the_mask_is_kept():
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.random_unstructured(net[2], "bias", 1)
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    weights = plain_weights({f"module.{name}": t for name, t in net.state_dict().items()}, names)
    assert sorted(weights.tensors) == sorted(names)
    assert torch.equal(weights.tensors["0.weight"], net[0].weight)
    assert int(weights.masks["0.weight"].sum()) == 15 and weights.masks["0.weight"].dtype == torch.bool
    assert weights.masks.keys() == {"0.weight", "2.bias"}


@pytest.mark.parametrize("kind", [torch.float16, torch.uint8, torch.bool])
def test_a_mask_beside_a_plain_weight_is_applied(kind):
    mask = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]]).to(kind)
    weights = plain_weights(held(fc__weight_mask=mask), KNOWN)
    assert torch.equal(weights.tensors["fc.weight"], mask.float()) and torch.equal(
        weights.masks["fc.weight"], mask != 0
    )


def test_a_missing_mask_leaves_the_original_as_it_is():
    tensors = held()
    tensors["fc.weight_orig"] = tensors.pop("fc.weight")
    weights = plain_weights(tensors, KNOWN)
    assert torch.equal(weights.tensors["fc.weight"], torch.ones(4, 2)) and weights.masks == {}


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(PrunescopeError, match=r"fc.weight: a mask does not fit.*\[3\] for \[4, 2\]"):
        plain_weights(held(fc__weight_mask=torch.ones(3)), KNOWN)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_and_are_told(kind):
    weights = plain_weights(held(fc__weight=torch.full((4, 2), 0.5, dtype=kind)), KNOWN)
    assert weights.tensors["fc.weight"].dtype == torch.float32 and float(weights.tensors["fc.weight"].sum()) == 4
    assert weights.notes == (f"stored as {str(kind).removeprefix('torch.')}, computed as float32",)


def test_sparse_layouts_are_filled():
    weights = plain_weights(held(fc__weight=torch.eye(4, 2).to_sparse()), KNOWN)
    assert torch.equal(weights.tensors["fc.weight"], torch.eye(4, 2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_and_counted(value):
    with pytest.raises(PrunescopeError, match=r"fc.weight: weights are not finite; got 8 of 8"):
        plain_weights(held(fc__weight=torch.full((4, 2), value)), KNOWN)


def test_complex_weights_are_refused():
    with pytest.raises(PrunescopeError, match="complex weights"):
        plain_weights(held(fc__weight=torch.ones(4, 2, dtype=torch.complex64)), KNOWN)


def test_what_profilers_leave_is_dropped():
    assert list(plain_weights(held(total_ops=torch.ones(1), conv__total_params=torch.ones(1)), KNOWN).tensors) == KNOWN


def test_a_pruned_module_is_copied_bare_and_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)).half()
    prune.ln_structured(net[0], "weight", 0.5, n=2, dim=0)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    copied, weights = plain_module(nn.DataParallel(net))
    assert sorted(copied.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert copied[0].weight.dtype == torch.float32 and not copied[0]._forward_pre_hooks
    assert weights.masks["0.weight"].float().mean() == 0.5 and weights.notes == (
        "stored as float16, computed as float32",
    )
    assert torch.equal(copied[0].weight, net[0].weight.float()) and net[0]._forward_pre_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
