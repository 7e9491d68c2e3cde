import torch
from torch import nn

from prunescope.data import Normalization
from prunescope.measures.inference import Seen, Timing


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, x):
        self.shapes.append(tuple(x.shape))
        return x.flatten(1)


def test_it_times_each_round_for_one_image():
    net = Counting()
    seen = Seen(
        net=net,
        images=torch.zeros(5, 1, 2, 2, dtype=torch.uint8),
        labels=torch.zeros(5, dtype=torch.int64),
        normalization=Normalization(mean=(0.5,), std=(0.5,)),
        device=torch.device("cpu"),
        split=lambda name: None,
        origin=("test", torch.arange(5)),
    )
    for batch, images in ((1, 1), (3, 3), (64, 5)):
        net.shapes.clear()
        seconds = Timing(batch=batch, rounds=6)(seen)["seconds"]
        assert seconds.shape == (6,) and bool((seconds > 0).all())
        assert net.shapes == [(images, 1, 2, 2)] * 9
