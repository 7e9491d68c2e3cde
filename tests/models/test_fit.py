import pytest
import torch
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models.fit import fit


class Small(nn.Module):
    def __init__(self, width=8, classes=3, hidden=5):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.deep = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.hidden = nn.Linear(width, hidden)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.deep(torch.relu(self.norm(self.conv(x))))
        return self.fc(torch.relu(self.hidden(x.mean((2, 3)))))


def test_equal_networks_fit():
    source, net = Small(), Small()
    assert fit(net, source.state_dict(), "file") is False
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_only_the_counter_of_batch_norm_may_be_missing():
    tensors = {n: t for n, t in Small().state_dict().items() if "num_batches" not in n}
    fit(Small(), tensors, "file")
    del tensors["norm.running_var"]
    with pytest.raises(PrunescopeError, match=r"1 missing from the file: norm.running_var"):
        fit(Small(), tensors, "file")


def test_missing_and_unexpected_names_are_listed_with_the_nearest():
    tensors = dict(Small().state_dict())
    tensors["fcc.weight"] = tensors.pop("fc.weight")
    with pytest.raises(PrunescopeError) as caught:
        fit(Small(), tensors, "net.pt")
    told = str(caught.value)
    assert told.startswith("net.pt: the file does not fit the network")
    assert "1 missing from the file: fc.weight (file has fcc.weight)" in told
    assert "1 unexpected in the file: fcc.weight (network has fc.weight)" in told


def test_many_names_are_counted_and_a_few_told():
    with pytest.raises(
        PrunescopeError, match=r"12 missing from the file.*and 8 more.*1 unexpected in the file: a"
    ) as e:
        fit(Small(), {"a": torch.ones(1)}, "file")
    assert len(str(e.value).splitlines()) == 1


def test_a_deeper_network_of_the_same_names_is_refused():
    tensors = dict(Small().state_dict()) | {"fc2.weight": torch.ones(3, 3)}
    with pytest.raises(PrunescopeError, match=r"unexpected in the file: fc2.weight"):
        fit(Small(), tensors, "file")


@pytest.mark.parametrize("shrink", [False, True])
def test_larger_shapes_are_refused_with_both(shrink):
    with pytest.raises(PrunescopeError, match=r"fc.weight \[3, 5\] in the network, \[7, 5\] in the file.*classes"):
        fit(Small(), Small(classes=7).state_dict(), "file", shrink=shrink)


def test_smaller_shapes_need_leave_and_then_give_the_same_function():
    narrow, net = Small(width=4, hidden=2).eval(), Small().eval()
    with pytest.raises(PrunescopeError, match="shapes differ"):
        fit(net, narrow.state_dict(), "file")
    assert fit(net, narrow.state_dict(), "file", shrink=True) is True
    images = torch.randn(3, 1, 6, 6)
    assert torch.equal(net(images), narrow(images))
    assert (net.conv.out_channels, net.deep.groups, net.norm.num_features, net.fc.in_features) == (4, 4, 4, 2)


def test_integer_weights_are_refused_with_what_to_do():
    tensors = dict(Small().state_dict())
    tensors["fc.weight"] = tensors["fc.weight"].to(torch.int8)
    with pytest.raises(PrunescopeError, match=r"got int8 at fc.weight.*ONNX"):
        fit(Small(), tensors, "file")
