"""Sizes and times before and after filters are removed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from prunescope.measures import Populations, Shrinking, footprint, latencies, multiply_adds
from prunescope.models import MODELS, build
from prunescope.pruning import Mask, State, prune

SHAPE = (1, 8, 8)


def convnet(**options):
    return build(MODELS.build({"convnet": {"width": 8, **options}}), SHAPE, 5, seed=0)


def shown(synthetic, criterion, networks=2, **options):
    """Return populations of convnets pruned by a criterion."""
    whole = synthetic.populations(networks=networks)
    sides = []
    for seed, (dense, pruned) in enumerate(zip(whole.dense, whole.pruned, strict=True)):
        state = State.of(convnet(**options), seed=seed)
        mask = prune(convnet(**options), criterion, sparsity=0.5, seed=seed)
        after = state.with_mask(mask)
        sides.append([
            replace(subject, fetch_state=lambda s=s: s, build=lambda: convnet(**options))
            for subject, s in ((dense, state), (pruned, after))
        ])  # fmt: skip
    dense, pruned = zip(*sides, strict=True)
    return Populations(dense=dense, pruned=pruned)


def test_what_a_network_takes():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    told = footprint(net, SHAPE)
    assert told.parameters == 2 * 9 + 2 + 72 * 3 + 3
    assert told.multiply_adds == sum(multiply_adds(net, SHAPE).values()) == 18 * 36 + 216
    assert told.file_size == len(save(net.state_dict())) / 1000 > 4 * told.parameters / 1000


def test_times_are_those_of_each_network():
    small, large = nn.Linear(4, 4), nn.Sequential(*(nn.Linear(700, 700) for _ in range(6)))
    times = latencies([nn.Sequential(nn.Flatten(), nn.Linear(700, 4)), large.train()], torch.zeros(8, 700), 5)
    assert times.shape == (2, 5)
    assert bool((times > 0).all())
    assert float(np.median(times[1])) > float(np.median(times[0]))
    assert large.training
    assert small.weight.grad is None
    threads = torch.get_num_threads()
    latencies([small], torch.zeros(1, 4), 4)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("projection", ["none", "mlp"])
def test_removed_filters_save_what_the_mask_says(synthetic, projection):
    populations = shown(synthetic, "random_filter", projection=projection)
    found = Shrinking(batch=4, repeats=4)(populations)
    net, mask = convnet(), prune(convnet(), "random_filter", sparsity=0.5)
    kept = [4, 8, 16]
    assert mask.kept == 9 * 4 + 9 * 4 * 8 + 9 * 8 * 16 + 16 * 5
    assert found["parameters"].value == mask.kept + 2 * sum(kept) + 5
    assert found["parameters"].floor == 9 * 8 + 9 * 8 * 16 + 9 * 16 * 32 + 32 * 5 + 2 * 56 + 5  # without the head
    assert found["multiply_adds"].value == sum(multiply_adds(net, SHAPE, mask).values())
    assert found["multiply_adds"].floor == sum(multiply_adds(net, SHAPE).values())
    assert found["file_size"].value < 0.5 * found["file_size"].floor
    for name in ("latency", "measured_speedup"):
        value = found[name]
        assert value.low <= value.value <= value.high
        assert value.n == 4
    assert "batches of 4 images on one CPU thread, quartiles in ms" in found.notes[0]


def test_masks_of_single_weights_remove_nothing(synthetic):
    found = Shrinking()(shown(synthetic, "magnitude", networks=1))
    assert found.status == "not applicable"
    assert "single weights" in found.reason


def test_networks_that_cannot_lose_filters_say_why(synthetic):
    populations = shown(synthetic, "random_filter", networks=1)
    odd = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Softmax(dim=1), nn.Linear(4, 5))
    flags = torch.tensor([True, True, False, False])
    mask = Mask({"1.weight": flags[:, None].expand(4, 64), "3.weight": flags.expand(5, 4)})
    dense = replace(populations.dense[0], fetch_state=lambda: State.of(odd, seed=0), build=lambda: odd)
    pruned = replace(dense, fetch_state=lambda: State.of(odd, seed=0).with_mask(mask))
    found = Shrinking()(Populations(dense=(dense,), pruned=(pruned,)))
    assert found.status == "not applicable"
    assert "mixes what looks apart" in found.reason
