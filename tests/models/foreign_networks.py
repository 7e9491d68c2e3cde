"""Networks as a user might have them, good and bad; the tests of ``foreign`` refer to this file."""

import torch
from torch import nn


def small(image_shape, num_classes):
    channels, height, width = image_shape
    return nn.Sequential(nn.Conv2d(channels, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * height * width, num_classes))


def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 5))


def for_colour(classes, *, in_channels=3):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


class Own(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(16, classes)
        self.norm = nn.BatchNorm1d(classes)

    def forward(self, x):
        return self.norm(self.linear(x.flatten(1)))


def raises():
    raise RuntimeError("no weights here")


def demands(depth):
    return nn.Linear(depth, depth)


def returns_weights():
    return {"weight": torch.zeros(1)}


def returns_a_map(image_shape):
    return nn.Conv2d(image_shape[0], 4, 1)


def returns_a_pair():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    return Pair()


number = 3
