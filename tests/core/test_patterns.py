import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import fits, matching

NAMES = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.bias", "layer10.weight", "fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["layer1"], NAMES[1:3]),
        (["layer*"], NAMES[1:4]),
        (["*.bn1"], NAMES[2:3]),
        (["fc.bias"], NAMES[5:]),
        (["fc", "conv1"], [NAMES[0], *NAMES[4:]]),
        (["*"], NAMES),
        ([], []),
    ],
)
def test_a_pattern_means_a_tensor_or_the_modules_around_it(patterns, found):
    assert matching(NAMES, patterns, "freeze") == frozenset(found)
    assert [name for name in NAMES if fits(name, patterns)] == found


def test_a_pattern_that_fits_nothing_is_refused_with_the_nearest_layer():
    with pytest.raises(PrunescopeError, match=r"freeze: unknown layer or tensor 'layer1.0.conv2'.*layer1.0.conv1"):
        matching(NAMES, ["fc", "layer1.0.conv2"], "freeze")
