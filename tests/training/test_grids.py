import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.training import Prune, Reweight, Train, parse_recipes
from prunescope.training.grids import GRIDS, geometric, grid, linear, ways

# Liebenwein et al. (MLSys 2021): the sparsities at which ResNet-20 and VGG-16 were retrained
RESNET20 = [
    0.15, 0.224, 0.292, 0.354, 0.410, 0.462, 0.509, 0.551, 0.591, 0.626, 0.659, 0.689, 0.716, 0.741, 0.763, 0.784,
    0.803, 0.820, 0.836, 0.850, 0.896, 0.938, 0.980,
]  # fmt: skip
VGG16 = [
    0.15, 0.302, 0.427, 0.530, 0.614, 0.683, 0.740, 0.787, 0.825, 0.856, 0.882, 0.903, 0.920, 0.935, 0.946, 0.956,
    0.964, 0.970, 0.976, 0.98,
]  # fmt: skip


@pytest.mark.parametrize(("name", "told"), [("resnet20-published", RESNET20), ("vgg16-published", VGG16)])
def test_the_published_levels_come_out(name, told):
    assert [way[-1] for way in grid(name)] == pytest.approx(told, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "levels", "steps", "first", "last"),
    [
        ("resnet20-published", 23, 69, 0.15, 0.98),
        ("vgg16-published", 20, 60, 0.15, 0.98),
        ("densenet22-published", 22, 66, 0.15, 0.9531),
        ("wrn16-8-published", 23, 69, 0.15, 0.98),
        ("robust-published", 16, 16, 0.2, 0.97),
        ("robust-densenet22-published", 13, 13, 0.2, 0.95),
        ("imagenet-published", 18, 18, 0.1, 0.9),
    ],
)
def test_grids_have_the_published_numbers_of_levels_and_steps(name, levels, steps, first, last):
    found = grid(name)
    assert (len(found), sum(map(len, found)), found[0][-1], found[-1][-1]) == (levels, steps, first, last)
    flat = [sparsity for way in found for sparsity in way]
    assert flat == sorted(set(flat))


def test_spacings_by_hand():
    assert geometric(0.8, 0.2, 3).tolist() == pytest.approx([0.8, 0.4, 0.2])
    assert linear(0.8, 0.2, 3).tolist() == pytest.approx([0.8, 0.5, 0.2])
    assert ways(linear(0.9, 0.5, 5), steps=2) == ((0.1, 0.2), (0.3, 0.4), (0.5,))


def recipe(levels, stages, **options):
    dense = [{"train": {"until": "2ep"}}]
    return parse_recipes({"dense": dense, "a": {"from": "dense", "levels": levels, "stages": stages, **options}}, "s")[
        "a"
    ]


def test_a_name_stands_for_its_levels():
    told = recipe("resnet20_published", [{"prune": "magnitude"}])
    assert [level.sparsity for level in told.expand()] == [way[-1] for way in GRIDS["resnet20-published"]]
    assert [len(level.stages) for level in told.expand()] == [1] * 23  # at once, whatever lies on the way


def test_a_cascade_prunes_on_the_way_and_trains_at_the_level():
    stages = [{"prune": "random_node"}, "reweight", {"rewind": "lr"}, {"train": "same"}]
    first, second = recipe([[0.1, 0.2], 0.5], stages, cascade=True).expand()
    assert [type(stage) for stage in first.stages] == [Prune, Reweight, Prune, Reweight, type(first.stages[4]), Train]
    assert [stage.sparsity for stage in first.stages if isinstance(stage, Prune)] == [0.1, 0.2]
    assert (first.label, second.label, second.after) == ("0.2", "0.5", 0)
    assert len(second.stages) == 4


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ("resnet-published", "did you mean 'resnet20-published'"),
        ([[0.3, 0.2]], "levels must rise"),
        ([0.3, [0.2, 0.4]], "levels must rise"),
        ([[]], "at least 1"),
        ([[0.3, 1.0]], "less than 1"),
    ],
)
def test_levels_that_make_no_sense_are_refused(levels, told):
    with pytest.raises(PrunescopeError, match=told):
        recipe(levels, [{"prune": "magnitude"}])
