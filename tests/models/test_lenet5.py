import pytest
import torch

from prunescope.models import LeNet5, activations, build


def test_layers_have_the_published_sizes():
    net = build(LeNet5(), (1, 28, 28), 10, seed=0)
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "conv1.weight": (6, 1, 5, 5),
        "conv2.weight": (16, 6, 5, 5),
        "fc1.weight": (120, 256),
        "fc2.weight": (84, 120),
        "fc3.weight": (10, 84),
    }


@pytest.mark.parametrize(("shape", "flat"), [((1, 16, 16), 16), ((3, 32, 32), 400), ((3, 17, 30), 64)])
def test_the_first_linear_layer_follows_the_image_size(shape, flat):
    net = build(LeNet5(), shape, 10, seed=0)
    assert net.fc1.in_features == flat
    assert net(torch.zeros(2, *shape)).shape == (2, 10)


def test_pooling_is_the_mean_of_rectified_values():
    net = build(LeNet5(), (1, 28, 28), 10, seed=0)
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = activations(net, x, ["conv1", "pool1"])
    expected = found["conv1"].clamp(min=0).unflatten(2, (12, 2)).unflatten(4, (12, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(found["pool1"], expected)
