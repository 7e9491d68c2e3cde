import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, given_data

IMAGES = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 2, 1, 0, 2])
BYTES = (IMAGES * 255).round().byte()


class Pictures(torch.utils.data.Dataset):
    classes = ("ant", "bee", "cat", "dog")

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return Image.fromarray(BYTES[i].permute(1, 2, 0).numpy()), int(LABELS[i])


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, LABELS),
        [IMAGES.double().numpy(), LABELS.numpy()],
        (IMAGES.permute(0, 2, 3, 1).numpy(), LABELS.tolist()),
        TensorDataset(IMAGES, LABELS),
        DataLoader(TensorDataset(IMAGES, LABELS), batch_size=2),
        list(zip(IMAGES, LABELS.tolist(), strict=True)),
        [{"pixel_values": image, "labels": label} for image, label in zip(IMAGES, LABELS, strict=True)],
    ],
)
def test_every_form_gives_the_same_floats(data):
    given = given_data(data)
    assert torch.equal(given.images, IMAGES) and torch.equal(given.labels, LABELS)
    assert given.classes == ("0", "1", "2") and given.images.is_contiguous()


def test_bytes_stay_bytes_and_pictures_are_read_with_their_class_names():
    assert torch.equal(given_data((BYTES, LABELS)).images, BYTES)
    given = given_data(Pictures())
    assert torch.equal(given.images, BYTES) and torch.equal(given.labels, LABELS)
    assert given.classes == ("ant", "bee", "cat", "dog")


def test_grey_images_get_their_channel():
    assert given_data((IMAGES[:, 0], LABELS)).shape == (1, 4, 6)


def test_two_examples_are_not_mistaken_for_images_and_labels():
    assert len(given_data([(IMAGES[0], 1), (IMAGES[1], 0)])) == 2


def test_a_data_set_of_ours_is_taken_as_it_is():
    data = Dataset(images=BYTES, labels=LABELS, classes=("a", "b", "c"))
    assert given_data(data) is data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ((IMAGES * 2 - 1, LABELS), r"images out of range; expected uint8, or float in \[0, 1\], got .*mean= and std="),
        ((IMAGES * float("nan"), LABELS), "images out of range"),
        ((BYTES.int(), LABELS), "images out of range"),
        ((IMAGES, LABELS.float()), "labels have the wrong form"),
        ((IMAGES, LABELS - 1), "labels have the wrong form"),
        ((IMAGES, LABELS[:3]), "do not match.*5 images, 3 labels"),
        ((IMAGES[:, 0, 0], LABELS), r"wrong form.*got \[5, 6\]"),
        (([], []), "do not match"),
        ([], "no images"),
        (3, "not labelled images"),
        ([{"picture": IMAGES[0]}], "not labelled images"),
    ],
)
def test_what_is_no_labelled_images_is_refused(data, told):
    with pytest.raises(PrunescopeError, match=told):
        given_data(data)
