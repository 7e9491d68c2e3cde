import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.data import SOURCES, Teacher, resolve_source, split_validation


def test_the_sample_is_small_real_and_repeatable():
    source = Teacher(inputs=20, train=50, test=30)
    splits, again = source.load(), source.load()
    assert {name: (split.images.dtype, tuple(split.images.shape)) for name, split in splits.items()} == {
        "train": (torch.float32, (50, 1, 1, 20)),
        "test": (torch.float32, (30, 1, 1, 20)),
    }
    assert splits["test"].labels.dtype == torch.float32 and splits["test"].classes == ("output",)
    assert torch.equal(splits["train"].labels, again["train"].labels)
    assert not torch.equal(splits["train"].images[:30], splits["test"].images)


def test_labels_are_the_teachers():
    source = Teacher(inputs=20, hidden=3, test=30)
    test = source.load()["test"]
    expected = torch.from_numpy(source.network().outputs(test.images.flatten(1).numpy())).float()
    torch.testing.assert_close(test.labels, expected)


def test_modes_differ_in_the_second_layer_alone():
    normal, soft = Teacher(inputs=10, v_star=3).network(), Teacher(inputs=10, mode="soft_committee").network()
    assert normal.v.tolist() == [3.0, 3.0] and soft.v.tolist() == [1.0, 1.0]
    assert (normal.w == soft.w).all()
    assert (normal.w != Teacher(inputs=10, seed=1).network().w).all()


def test_the_rule_makes_the_teacher_again():
    source = Teacher(inputs=10, noise=0.25)
    assert Teacher.of(source.rule()) == source
    assert resolve_source("teacher") == Teacher()
    with pytest.raises(PrunescopeError, match="rule behind these data is not known"):
        Teacher.of(SOURCES.build("digits").rule())


def test_some_are_held_back_without_classes():
    train = Teacher(inputs=10, train=50).load()["train"]
    kept, held = split_validation(train, 0.2, seed=0)
    assert (len(kept), len(held)) == (40, 10)


@pytest.mark.parametrize("options", [{"noise": -0.1}, {"hidden": 0}, {"mode": "hard"}, {"activation": "gelu"}])
def test_what_is_no_teacher_is_refused(options):
    with pytest.raises(PrunescopeError, match=next(iter(options))):
        SOURCES.build({"teacher": options})
