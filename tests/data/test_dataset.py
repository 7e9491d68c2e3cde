import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, Source


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
    with pytest.raises(PrunescopeError, match="one output"):
        Dataset(images=inputs, labels=torch.randn(3), classes=("a", "b"))
    with pytest.raises(PrunescopeError, match=r"wrong form; expected float32 \["):
        Dataset(images=inputs.byte(), labels=torch.randn(3), classes=("a",))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": torch.zeros(4, 1, 2, 2, dtype=torch.float64)}, "wrong form.*torch.float64"),
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


def test_names_of_the_network_reorder_the_classes_they_cover():
    named = dataset().named(["c", "x", "a", "b"])
    assert named.classes == ("c", "x", "a", "b") and named.labels.tolist() == [2, 3, 0, 2]


def test_other_names_stand_for_the_classes_in_order():
    named = dataset().named(["ant", "bee", "cat", "dog"])
    assert named.classes[3] == "dog" and named.labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "b"]])
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(PrunescopeError, match="class names do not fit"):
        dataset().named(names)


class Whole(Source):
    def load(self):
        return {"test": dataset(n=9)}

    def identity(self):
        return {}


def test_a_part_of_a_split_keeps_each_class_in_proportion():
    part = Whole().select("test", limit=6, resize=2)
    assert sorted(part.labels.tolist()) == [0, 0, 1, 1, 2, 2]
    assert part.shape == (2, 2, 2)
    assert len(Whole().select("test", limit=60)) == 9
    with pytest.raises(PrunescopeError, match="unknown split 'train'"):
        Whole().select("train")
