"""What one would write: networks trained one after another with a DataLoader and two threads, as a command.

``python bench/_plain_loop.py MODEL NETWORKS EPOCHS``, MODEL ``convnet`` or the widths of an MLP such as ``128-128``.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def network(model: str) -> nn.Module:
    """Return the digits network of that name."""
    layers: list[nn.Module] = []
    if model != "convnet":
        widths = [64, *(int(width) for width in model.split("-"))]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], 10))
    for inputs, outputs, stride in ((1, 16, 2), (16, 32, 1), (32, 64, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def accuracies(model: str, networks: int, epochs: int) -> list[float]:
    """Return the test accuracy of each network."""
    pixels, targets = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8)
    parts = train_test_split(images, torch.from_numpy(targets), test_size=600, stratify=targets, random_state=0)
    train_images, test_images, train_labels, test_labels = parts
    mean, std = train_images.mean(), train_images.std()
    train_set = TensorDataset(((train_images - mean) / std)[:1077], train_labels[:1077])
    found = []
    for seed in range(networks):
        torch.manual_seed(seed)
        net = network(model)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        loader = DataLoader(train_set, batch_size=64, shuffle=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
        for _ in range(epochs):
            for batch, target in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(batch), target).backward()
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            found.append(float((net.eval()((test_images - mean) / std).argmax(1) == test_labels).float().mean()))
    return found


if __name__ == "__main__":
    torch.set_num_threads(2)
    print(accuracies(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
