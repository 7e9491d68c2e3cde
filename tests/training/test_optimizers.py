import pytest
import torch
from torch import nn

from prunescope.core.seeds import derived_seed
from prunescope.training.optimizers import OPTIMIZERS

THEIRS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
OPTIONS = {
    "sgd": [{}, {"momentum": 0.9, "weight_decay": 1e-2}, {"momentum": 0.9, "weight_decay": 1e-2, "nesterov": True}],
    "adam": [{}, {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 1e-2}],
    "adamw": [{}, {"weight_decay": 0.1}],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_each_step_is_that_of_torchs_class_bit_for_bit(name, options, layout):
    ours, theirs = small_net().to(memory_format=layout), small_net().to(memory_format=layout)
    optimizer = OPTIMIZERS.build({name: {"lr": 0.05, **options}})
    peer = THEIRS[name](theirs.parameters(), lr=0.05, **{"weight_decay": optimizer.weight_decay, **options}, fused=True)
    slots = [{} for _ in ours.parameters()]
    for step, rate in enumerate([0.05, 0.05, 0.02, 0.1]):
        images = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(step)).contiguous(memory_format=layout)
        for net in (ours, theirs):
            net.zero_grad()
            net(images).square().mean().backward()
        peer.param_groups[0]["lr"] = rate
        peer.step()
        with torch.no_grad():
            optimizer.step(list(ours.parameters()), [p.grad for p in ours.parameters()], slots, rate)
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    for slot, parameter in zip(slots, theirs.parameters(), strict=True):
        remembered = {key: tensor for key, tensor in peer.state[parameter].items() if tensor is not None}
        assert slot.keys() == remembered.keys()
        assert all(torch.equal(slot[key], tensor) for key, tensor in remembered.items())


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_what_is_remembered_is_all_there_is_to_go_on_from(name):
    """A step from copied slots is the step: members hold options and nothing else."""
    generator = torch.Generator().manual_seed(derived_seed(0, name))
    weights = [torch.randn(3, 4, generator=generator), torch.randn(3, generator=generator)]
    gradients = [[torch.randn(w.shape, generator=generator) for w in weights] for _ in range(4)]
    whole, slots = [w.clone() for w in weights], [{} for _ in weights]
    for of_step in gradients:
        OPTIMIZERS.build(name).step(whole, of_step, slots, 0.1)
    cut, kept = [w.clone() for w in weights], [{} for _ in weights]
    for of_step in gradients:
        kept = [{key: tensor.clone() for key, tensor in slot.items()} for slot in kept]
        OPTIMIZERS.build(name).step(cut, of_step, kept, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))
