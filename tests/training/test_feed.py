from dataclasses import replace

import torch

from prunescope.data import Crop, Flip, Normalization
from prunescope.training import Feed


def feed(data, **options):
    return Feed(data=data, batch=16, normalization=Normalization.of(data.images), **options)


def test_several_views_are_the_same_images_in_the_same_order_augmented_anew(data):
    both = feed(data, views=2, augment=(Crop(padding=2), Flip()))
    for batch in both.batches(1, 0):
        assert len(batch.images) == len(batch.labels) == 2 * (len(batch.labels) // 2)
        first, second = batch.labels.chunk(2)
        assert torch.equal(first, second)
        assert not torch.equal(*batch.images.chunk(2))
    plain = list(feed(data, views=3).batches(1, 0))
    assert all(torch.equal(a, b) for batch in plain for a, b in [batch.images.chunk(3)[:2]])
    assert [len(batch.images) for batch in plain] == [48, 48, 48, 6]


def test_one_view_is_the_first_of_two(data):
    one, two = (next(feed(data, views=views, augment=(Flip(),)).batches(3, 2)) for views in (1, 2))
    assert torch.equal(one.images, two.images[:16]) and torch.equal(one.labels, two.labels[:16])


def test_views_are_skipped_as_they_are_drawn(data):
    options = {"views": 2, "augment": (Crop(padding=1),)}
    whole = list(feed(data, **options).batches(1, 0))
    part = list(feed(data, **options).batches(1, 0, start=1, count=2))
    assert all(torch.equal(a.images, b.images) for a, b in zip(part, whole[1:3], strict=True))


def test_without_shuffling_the_order_is_that_of_the_data(data):
    numbered = replace(data, images=torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1).expand(50, 1, 4, 4))
    plain = Feed(data=numbered, batch=16, normalization=Normalization(mean=(0,), std=(1 / 255,)), shuffle=False)
    for epoch in (0, 1):
        seen = torch.cat([batch.images[:, 0, 0, 0] for batch in plain.batches(5, epoch)])
        assert seen.round().tolist() == list(range(50))


def test_images_that_are_kept_normalised_are_those_of_each_batch_bit_for_bit(data, monkeypatch):
    kept = list(feed(data, views=2).batches(1, 0))
    monkeypatch.setattr("prunescope.training.feed.KEPT", 0)
    anew = list(feed(data, views=2).batches(1, 0))
    assert all(torch.equal(a.images, b.images) for a, b in zip(kept, anew, strict=True))
