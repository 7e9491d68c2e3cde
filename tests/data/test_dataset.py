import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset


def dataset(n=4, classes=3):
    images = torch.arange(n * 2 * 3 * 5).remainder(256).to(torch.uint8).view(n, 2, 3, 5)
    return Dataset(images=images, labels=torch.arange(n) % classes, classes=tuple("abcdefgh"[:classes]))


def test_length_shape_and_selection():
    data = dataset()
    part = data.take(torch.tensor([3, 0]))
    assert len(data) == 4 and data.shape == (2, 3, 5)
    assert torch.equal(part.images, data.images[[3, 0]]) and part.labels.tolist() == [0, 0]
    assert data.to(torch.device("cpu")).classes == data.classes


def test_real_inputs_have_real_targets():
    inputs = torch.randn(3, 1, 1, 4)
    data = Dataset(images=inputs, labels=torch.randn(3), classes=("output",))
    assert data.real and data.strata.tolist() == [0, 0, 0] and data.take(torch.tensor([1])).real
    assert not dataset().real and dataset().strata.tolist() == [0, 1, 2, 0]
    for labels, classes, told in (
        (torch.randn(3), ("a", "b"), "one output"),
        (torch.zeros(3, dtype=torch.int64), ("a",), "wrong form.*uint8.*float32"),
    ):
        with pytest.raises(PrunescopeError, match=told):
            Dataset(images=inputs, labels=labels, classes=classes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": torch.zeros(4, 1, 2, 2)}, "wrong form.*torch.float32"),
        ({"images": torch.zeros(4, 2, 2, dtype=torch.uint8)}, "wrong form.*\\(4, 2, 2\\)"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "do not match.*expected 4"),
        ({"labels": torch.tensor([0, 1, 2, 3])}, "no class.*0 … 2, got 3"),
        ({"labels": torch.tensor([0, 1, 2, -1])}, "no class"),
    ],
)
def test_what_is_no_data_set_is_refused(changes, told):
    good = dataset()
    fields = {"images": good.images, "labels": good.labels, "classes": good.classes} | changes
    with pytest.raises(PrunescopeError, match=told):
        Dataset(**fields)
