import numpy as np
import pytest
import torch
from torch import nn

from prunescope.measures import InformativePixels, backward_selection, cross_confidence, keep_pixels
from prunescope.measures.inference import Pixels


def linear(weights):
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2, bias=False))
    net[1].weight.data = torch.tensor([weights, [0.0] * len(weights)])
    return net


def test_a_hand_sized_matrix():
    """Network A needs pixel 0, B needs pixel 3; each is sure on its own pixel and undecided on the other's."""
    nets = [linear([5.0, 0.0, 0.0, 0.0]), linear([0.0, 0.0, 0.0, 5.0])]
    inputs, labels = torch.ones(1, 1, 2, 2), torch.tensor([0])
    orders = [backward_selection(net, inputs).order for net in nets]
    table = cross_confidence(nets, inputs, orders, labels, kept=1)[:, :, 0]
    sure = 1 / (1 + np.exp(-5.0))
    assert table == pytest.approx(np.array([[sure, 0.5], [0.5, sure]]), abs=1e-6)


def test_the_matrix_is_of_the_true_class_and_uses_the_mask_value():
    net, inputs = linear([1.0, 2.0, 3.0, 4.0]), torch.ones(2, 1, 2, 2)
    orders = [backward_selection(net, inputs, mask_value=0.5).order]
    table = cross_confidence([net], inputs, orders, torch.tensor([0, 1]), kept=2, mask_value=0.5)
    hidden = keep_pixels(inputs, orders[0], 2, mask_value=0.5)
    expected = net(hidden).softmax(1)[[0, 1], [0, 1]].detach()
    assert table[0, 0] == pytest.approx(expected.numpy())


def test_the_measure_names_its_networks_and_counts_what_never_gets_there(synthetic):
    whole = synthetic.populations(networks=2)
    found = InformativePixels(threshold=1.0)(synthetic.shown("curve", whole))
    items = {v.item for v in found.values if v.quantity == "confidence"}
    assert {"dense → separate", "separate → 0.5", "0.5 → dense", "0 → 0.5"} <= items
    assert len(items) == 16
    assert {v.value for v in found.values if v.quantity == "never"} == {12.0}
    assert not [v for v in found.values if v.quantity == "sufficient"]
    assert found.arrays["orders"].shape == (4, 6, 64)
    assert found.arrays["images"].dtype == np.uint8


def test_one_network_has_no_separate_one(synthetic):
    found = InformativePixels()(synthetic.shown("curve", synthetic.populations(networks=1)))
    assert not [v for v in found.values if "separate" in v.item]


def test_its_options_reach_the_inference_and_the_others_do_not_change_it():
    measure = InformativePixels(images=3, algorithm="rounds", share=0.2, mask_value=-1.0, kept=0.3, threshold=0.5)
    expected = Pixels(images=3, algorithm="rounds", share=0.2, mask_value=-1.0)
    assert measure.inference("pixels") == expected
    assert InformativePixels(kept=0.3, threshold=0.5).inference("pixels") == Pixels()
