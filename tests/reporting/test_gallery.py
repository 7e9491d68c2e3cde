"""The gallery shows forgotten images, spread over classes, and stays small."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from prunescope.core.errors import PrunescopeError
from prunescope.reporting import Gallery
from prunescope.reporting import gallery as gallery_module
from prunescope.reporting.gallery import FLIPS, pick, wall
from prunescope.reporting.images import LARGEST, class_images, thumbnail
from prunescope.reporting.reading import Reading

Change = Callable[..., Reading]


def decoded(uri: str) -> np.ndarray:
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_image_keeps_every_pixel(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (channels, 8, 6)).astype(np.uint8)
    shown = decoded(thumbnail(image))
    assert np.array_equal(shown.reshape(8, 6, channels), np.moveaxis(image, 0, -1))


def test_a_large_image_is_shrunk() -> None:
    assert max(decoded(thumbnail(np.zeros((3, 300, 200), np.uint8))).shape) == LARGEST


def test_images_are_pies_spread_over_classes_surest_votes_first() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    gallery = Gallery(view="test", images=np.zeros((6, 1, 2, 2), np.uint8), labels=labels, classes=("a", "b", "c"))
    votes = {
        "pie": np.array([True, True, True, True, True, False]),
        "dense_share": np.array([0.5, 0.9, 0.7, 0.6, 0.8, 1.0]),
    }
    assert pick(votes, gallery, 2) == [1, 4]
    assert pick(votes, gallery, 3) == [1, 2, 4]
    assert pick(votes, gallery, 99) == [0, 1, 2, 3, 4]


def test_a_gallery_of_some_examples_finds_its_votes() -> None:
    images = np.zeros((2, 1, 2, 2), np.uint8)
    gallery = Gallery(
        view="test", images=images, labels=np.array([0, 1]), classes=("a", "b"), examples=np.array([7, 3])
    )
    votes = {"pie": np.arange(10) == 3, "dense_share": np.ones(10)}
    assert pick(votes, gallery, 5) == [1]


def test_tiles_tell_truth_and_votes(reading: Reading) -> None:
    shown = wall(reading)
    assert shown is not None
    assert shown.places[0][1] == "magnitude at 95\u00a0%"
    gallery = reading.material.gallery
    assert gallery is not None
    for tile in shown.tiles:
        recipe, level = tile.place.split("\u241f")
        votes = reading.material.arrays[recipe, level, "test", "pie"]
        assert votes["pie"][tile.example]
        assert tile.label == gallery.classes[int(gallery.labels[tile.example])]
        assert tile.pruned.startswith(gallery.classes[int(votes["pruned_vote"][tile.example])])
        assert tile.hidden == (tile.place != shown.places[0][0])


def test_the_gallery_is_capped_and_says_so(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_module, "MOST_TILES", 60)
    shown = wall(reading)
    assert shown is not None
    assert len(shown.tiles) <= 60
    assert "At most 5 images" in shown.note
    assert any(count.startswith("5 of ") for _, _, count in shown.places)


def test_no_image_beyond_the_bytes_the_page_can_bear(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_module, "MOST_BYTES", 1)
    shown = wall(reading)
    assert shown is not None
    assert any("no room for images" in count for _, _, count in shown.places)
    assert {tile.place for tile in shown.tiles} >= {shown.places[0][0]}


def test_large_images_are_named_as_shrunk(change: Change) -> None:
    images = np.zeros((540, 1, 100, 4), np.uint8)
    labels = np.zeros(540, dtype=np.int64)
    shown = wall(change(gallery=Gallery(view="test", images=images, labels=labels, classes=tuple("abcdefghij"))))
    assert shown is not None
    assert "shrunk to 96 pixels" in shown.note


def test_images_of_another_view_have_no_votes(change: Change, reading: Reading) -> None:
    gallery = reading.material.gallery
    assert gallery is not None
    other = Gallery(view="noise", images=gallery.images, labels=gallery.labels, classes=gallery.classes)
    assert wall(change(gallery=other)) is None


def test_images_beyond_the_votes_are_refused(change: Change) -> None:
    images, labels = np.zeros((541, 1, 2, 2), np.uint8), np.zeros(541, dtype=np.int64)
    reading = change(gallery=Gallery(view="test", images=images, labels=labels, classes=tuple("abcdefghij")))
    with pytest.raises(PrunescopeError, match=r"test: gallery images have no votes.*got 540 examples"):
        wall(reading)


def test_one_image_stands_for_each_class(reading: Reading) -> None:
    gallery = reading.material.gallery
    assert gallery is not None
    assert set(class_images(gallery)) == set(gallery.classes)
    assert class_images(None) == {}


def test_flips_of_single_networks_are_shown_where_there_are_no_pies(reading: Reading, change: Change) -> None:
    arrays = {
        (*place[:3], "agreement"): {("flips" if name == "pie" else name): votes for name, votes in known.items()}
        for place, known in reading.material.arrays.items()
        if place[3] == "pie"
    }
    flipped = change(arrays=arrays)
    shown = wall(flipped, FLIPS)
    assert shown is not None
    assert "flip" in shown.places[0][2]
    assert "probability" in shown.note
    assert wall(flipped) is None
