import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.data import Dataset, View, split_validation
from prunescope.data.shifts.noise import GaussianNoise, UniformNoise
from prunescope.data.subset import stratified_subset


def dataset(counts):
    labels = torch.cat([torch.full((count,), k) for k, count in enumerate(counts)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    images = torch.arange(len(labels)).view(-1, 1, 1, 1).expand(-1, 1, 2, 4).contiguous().view(torch.uint8)
    return Dataset(images=images, labels=labels, classes=tuple(map(str, range(len(counts)))))


def numbers(data):
    """Return the example numbers that the images of ``dataset`` spell."""
    return data.images.view(torch.int64)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("test", View()),
        ("validation[1000]", View(split="validation", subset=1000)),
        ("corruption/gaussian_noise/3", View(shift=GaussianNoise(severity=3))),
        ("corruption/gaussian_noise/5[20]", View(shift=GaussianNoise(severity=5), subset=20)),
        ("noise/uniform_noise/0.1", View(shift=UniformNoise(epsilon=0.1))),
        ("noise/uniform_noise/1e-05/clip=false", View(shift=UniformNoise(epsilon=1e-5, clip=False))),
        ("train/noise/uniform_noise/0.5", View(split="train", shift=UniformNoise(epsilon=0.5))),
    ],
)
def test_a_text_and_its_view_are_inverse(text, view):
    assert View.parse(text) == view
    assert view.name == text


views = st.builds(
    View,
    split=st.sampled_from(["train", "validation", "test"]),
    shift=st.none()
    | st.builds(GaussianNoise, severity=st.integers(1, 5))
    | st.builds(UniformNoise, epsilon=st.floats(0.001, 1), clip=st.booleans()),
    subset=st.none() | st.integers(1, 10**6),
)


@settings(max_examples=60, deadline=None)
@given(views)
def test_every_view_survives_its_name_and_its_plain_data(view):
    assert View.parse(view.name) == view
    assert View.parse(view.canonical()) == view
    assert View.parse(view.canonical(complete=True)) == view


def test_fields_and_short_texts_are_read_too():
    assert View.parse({"split": "validation", "shift": {"gaussian_noise": {"severity": 2}}, "subset": 7}) == View(
        split="validation", shift=GaussianNoise(severity=2), subset=7
    )
    assert View.parse({"shift": "gaussian_noise"}).name == "corruption/gaussian_noise/3"
    assert View.parse("corruption/gaussian-noise").name == "corruption/gaussian_noise/3"
    assert View.parse(View(subset=3)) == View(subset=3)
    assert View().canonical() == {}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("tset", "unknown view 'tset'.*'test'"),
        ("", "unknown view"),
        ("test\nmore", "unknown view"),
        ("corruption/gausian_noise/3", "did you mean 'corruption/gaussian_noise'"),
        ("noise/gaussian_noise/3", "did you mean.*or 'corruption/gaussian_noise'"),
        ("corruption/gaussian_noise/9", "severity.*less than or equal to 5"),
        ("corruption/gaussian_noise/strong", "severity.*got 'strong'"),
        ("corruption/gaussian_noise/3/sevrity=2", "unknown field 'sevrity'.*'severity'"),
        ("corruption/gaussian_noise/3/4", "one option has two values.*got 3/4"),
        ("test[0]", "subset.*greater than or equal to 1"),
        ({"split": "tset"}, "split.*'tset'"),
        ({"shift": "blurr"}, "shift.*unknown name in shifts: 'blurr'"),
        ({"size": 3}, "unknown field 'size'"),
        (3, "view"),
    ],
)
def test_what_is_no_view_is_refused(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        View.parse(spec)


def test_selecting_a_split_gives_all_of_it_before_the_shift():
    splits = {"train": dataset([4, 4]), "test": dataset([3, 5])}
    assert View().select(splits, seed=0) is splits["test"]
    assert View.parse("corruption/gaussian_noise/3").select(splits, seed=0) is splits["test"]
    assert View(split="train").select(splits, seed=0) is splits["train"]


def test_a_split_that_is_missing_and_a_subset_too_large_are_refused():
    splits = {"train": dataset([4, 4]), "test": dataset([3, 5])}
    with pytest.raises(PrunescopeError, match=r"validation: unknown split 'validation'.*Known: test, train"):
        View(split="validation").select(splits, seed=0)
    with pytest.raises(PrunescopeError, match=r"test\[9\]: subset too large; expected ≤ 8, got 9"):
        View(subset=9).select(splits, seed=0)


def test_a_subset_keeps_examples_whole_and_in_order():
    splits = {"test": dataset([30, 20, 10])}
    part = View(subset=12).select(splits, seed=3)
    chosen = numbers(part)
    assert chosen == sorted(chosen) and len(set(chosen)) == 12
    assert torch.equal(part.labels, splits["test"].labels[chosen])
    assert part.labels.bincount().tolist() == [6, 4, 2]
    assert chosen == numbers(View(subset=12).select(splits, seed=3)) != numbers(View(subset=12).select(splits, seed=4))


label_arrays = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@settings(max_examples=80, deadline=None)
@given(label_arrays, st.data())
def test_subsets_are_proportional_and_nested(labels, data):
    large = data.draw(st.integers(1, len(labels)))
    small = data.draw(st.integers(1, large))
    chosen, inner = stratified_subset(labels, large, 7), stratified_subset(labels, small, 7)
    assert len(set(chosen)) == large and set(inner) <= set(chosen)
    shares = np.bincount(labels, minlength=5) * large / len(labels)
    assert (np.abs(np.bincount(labels[chosen], minlength=5) - shares) < 2).all()


def test_every_example_is_equally_likely_to_be_in_a_subset():
    labels = np.repeat([0, 1], [30, 10])
    hits = sum(np.bincount(stratified_subset(labels, 8, seed), minlength=40) for seed in range(2000))
    assert (np.abs(hits / 2000 - 0.2) < 5 * (0.2 * 0.8 / 2000) ** 0.5).all()


def test_validation_is_a_stratified_part_of_train():
    train = dataset([100, 60, 40])
    kept, held = split_validation(train, 0.1, seed=0)
    assert held.labels.bincount().tolist() == [10, 6, 4] and kept.labels.bincount().tolist() == [90, 54, 36]
    assert sorted(numbers(kept) + numbers(held)) == list(range(200))
    assert numbers(kept) == sorted(numbers(kept)) and numbers(held) == sorted(numbers(held))
    assert kept.classes == held.classes == train.classes


def test_the_validation_part_is_pinned_by_its_seed():
    train = dataset([6, 6])
    assert numbers(split_validation(train, 0.25, seed=1)[1]) == [0, 6, 11]
    assert numbers(split_validation(train, 0.25, seed=2)[1]) != [0, 6, 11]


def test_no_fraction_holds_back_nothing():
    train = dataset([3, 3])
    kept, held = split_validation(train, 0, seed=0)
    assert kept is train and len(held) == 0 and held.shape == train.shape


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_fractions_outside_the_range_are_refused(fraction):
    with pytest.raises(PrunescopeError, match="0 ≤ fraction < 1"):
        split_validation(dataset([3, 3]), fraction, seed=0)


@pytest.mark.parametrize(
    ("counts", "fraction", "got"),
    [
        ([20, 20, 20], 0.02, "1 of 60"),
        ([20, 20, 20], 0.98, "59 of 60"),
        ([40, 1], 0.5, "1 of the rarest"),
        ([], 0.5, "0 of 0"),
    ],
)
def test_parts_too_small_for_the_classes_are_refused(counts, fraction, got):
    data = dataset(counts) if counts else dataset([2, 2]).take(torch.empty(0, dtype=torch.int64))
    with pytest.raises(PrunescopeError, match=f"too few examples.*{got}"):
        split_validation(data, fraction, seed=0)
