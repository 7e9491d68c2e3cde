import torch
from sklearn.datasets import load_digits
from torch import nn

from prunescope.models import ConvNet, build


def test_width_sets_the_filters_and_the_image_size_changes_no_parameter():
    net = build(ConvNet(width=5), (3, 8, 8), 4, seed=0)
    assert [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] == [5, 10, 20]
    assert net.state_dict().keys() == build(ConvNet(width=5), (3, 28, 28), 4, seed=0).state_dict().keys()
    expected = 3 * 5 * 9 + 5 * 10 * 9 + 10 * 20 * 9 + 2 * (5 + 10 + 20) + 20 * 4 + 4
    assert sum(p.numel() for p in net.parameters()) == expected


def test_it_learns_digits_in_ten_epochs():
    digits = load_digits()
    images, labels = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator)
    train, test = order[:1197], order[1197:]
    net = build(ConvNet(), (1, 8, 8), 10, seed=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for epoch in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - epoch / 10)
        for batch in train[torch.randperm(1197, generator=generator)].split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        assert (net.eval()(images[test]).argmax(1) == labels[test]).float().mean() > 0.97
