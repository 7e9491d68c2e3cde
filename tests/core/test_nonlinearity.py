import numpy as np
import pytest
import torch

from prunescope.core.nonlinearity import NONLINEARITIES
from prunescope.models.committee import ACTIVATIONS

POINTS = np.linspace(-3.0, 3.0, 62)


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_the_slope_is_that_of_the_value(name):
    g = NONLINEARITIES[name]
    step = 1e-6
    numeric = (g.value(POINTS + step) - g.value(POINTS - step)) / (2 * step)
    np.testing.assert_allclose(g.slope(POINTS, g.value(POINTS)), numeric, atol=1e-8)


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_networks_and_arrays_mean_the_same_by_a_name(name):
    expected = ACTIVATIONS[name]()(torch.from_numpy(POINTS)).numpy()
    np.testing.assert_allclose(NONLINEARITIES[name].value(POINTS), expected, atol=1e-14)
