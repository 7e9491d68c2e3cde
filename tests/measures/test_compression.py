from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Compression, Counts, Populations, compression, multiply_adds
from prunescope.pruning import Mask, State


def of_layers(measurement):
    return {v.item: v.value for v in measurement.values if v.quantity == "sparsity" and v.item}


def test_a_hand_sized_case():
    found = compression(Counts(10, 30, 50), Counts(100, 120, 200))
    assert found == pytest.approx(
        {
            "sparsity": 0.9,
            "parameter_sparsity": 0.75,
            "parameters": 30,
            "compression_ratio": 4,
            "multiply_adds": 50,
            "multiply_add_sparsity": 0.75,
            "speedup": 4,
        }
    )


def test_what_is_undefined_is_left_out():
    nothing = compression(Counts(0, 0, 0), Counts(4, 4, 9))
    assert nothing["sparsity"] == nothing["multiply_add_sparsity"] == 1
    assert not {"compression_ratio", "speedup"} & set(nothing)
    assert not {"multiply_adds", "multiply_add_sparsity", "speedup"} & set(
        compression(Counts(1, 2, None), Counts(4, 4, 9))
    )


def test_a_pruned_network_that_has_grown_is_refused():
    with pytest.raises(PrunescopeError, match="larger than the dense"):
        compression(Counts(5, 9, 9), Counts(4, 9, 9))


def test_three_sparsities_from_the_masks_of_a_population(synthetic):
    found = Compression()(synthetic.populations(networks=3, classes=5, sparsity=0.75))
    # conv 36 weights, linear 720; biases 4 + 5, batch norm 8; positions 36 and 1
    kept, total = 756 - round(0.75 * 756), 756 + 17
    assert found["sparsity"].value == pytest.approx(round(0.75 * 756) / 756)
    assert found["parameters"].value == kept + 17
    assert found["compression_ratio"].value == pytest.approx(total / (kept + 17))
    survivors = [synthetic.states(seed, 5, 0.75)[1].mask.counts() for seed in range(3)]
    adds = [36 * s["0.weight"][0] + s["4.weight"][0] for s in survivors]
    assert found["multiply_adds"].value == pytest.approx(np.mean(adds))
    assert found["multiply_adds"].floor == 36 * 36 + 720
    assert found["multiply_adds"].low < np.mean(adds) < found["multiply_adds"].high
    assert of_layers(found)["0.weight"] == pytest.approx(np.mean([1 - s["0.weight"][0] / 36 for s in survivors]))
    assert found["collapsed"].value == 0
    totals = {v.quantity: v.n for v in found.values if not v.item}
    assert (totals["sparsity"], totals["compression_ratio"], totals["speedup"]) == (756, total, 36 * 36 + 720)


def test_the_dense_networks_are_not_compressed(synthetic):
    found = Compression()(synthetic.populations(networks=1, same=True))
    for name in ("sparsity", "parameter_sparsity", "multiply_add_sparsity", "collapsed"):
        assert found[name].value == 0
    assert found["compression_ratio"].value == found["speedup"].value == 1
    assert found["sparsity"].low is None


def with_mask(synthetic, change):
    shown = synthetic.populations(networks=1)
    state = change(shown.pruned[0].state)
    return Populations(dense=shown.dense, pruned=(replace(shown.pruned[0], fetch_state=lambda: state),))


def test_a_layer_without_survivor_is_counted_as_collapsed(synthetic):
    def collapse(state):
        return replace(state, mask=Mask({**state.mask, "0.weight": torch.zeros(4, 1, 3, 3, dtype=torch.bool)}))

    found = Compression()(with_mask(synthetic, collapse))
    assert found["collapsed"].value == 1
    assert of_layers(found)["0.weight"] == 1


def test_layers_that_the_mask_leaves_out_are_whole(synthetic):
    def partial(state):
        return replace(state, mask=Mask({"0.weight": torch.zeros(4, 1, 3, 3, dtype=torch.bool)}))

    found = Compression()(with_mask(synthetic, partial))
    assert found["sparsity"].value == pytest.approx(36 / 756)
    assert of_layers(found)["4.weight"] == 0


def test_a_physically_smaller_network_is_measured_against_its_dense_parent(synthetic):
    shown = synthetic.populations(networks=1)
    small = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5))
    state = State.of(small, seed=0)
    pruned = replace(shown.pruned[0], fetch_state=lambda: state, build=lambda: small)
    found = Compression()(Populations(dense=shown.dense, pruned=(pruned,)))
    assert found["sparsity"].value == pytest.approx(1 - (9 + 180) / 756)
    assert found["multiply_adds"].value == sum(multiply_adds(small, synthetic.image_shape).values())
    assert of_layers(found) == pytest.approx({"0.weight": 0.75, "4.weight": 0.75})


def test_uncountable_multiply_adds_are_told_not_invented(synthetic):
    shown = synthetic.populations(networks=1)
    odd = tuple(replace(s, image_shape=(1, 9, 9)) for s in (*shown.dense, *shown.pruned))
    found = Compression()(Populations(dense=odd[:1], pruned=odd[1:]))
    assert not {"multiply_adds", "speedup"} & {v.quantity for v in found.values}
    assert found["sparsity"].value == pytest.approx(0.5)
    assert "not counted" in found.notes[0]
