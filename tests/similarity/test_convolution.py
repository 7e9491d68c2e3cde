from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import as_matrix


def test_the_three_choices_by_hand():
    maps = np.arange(12.0).reshape(2, 3, 2, 1)  # image, channel, position
    assert as_matrix(maps, space="flatten").tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert as_matrix(maps, space="pool").tolist() == [[0.5, 2.5, 4.5], [6.5, 8.5, 10.5]]
    assert as_matrix(maps, space="samples").tolist() == [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9, 11]]


@pytest.mark.parametrize("space", ["flatten", "pool", "samples"])
@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 3, 5, 2), (4, 3, 2, 2, 2)])
def test_tensors_and_arrays_agree_for_any_number_of_position_axes(space, shape):
    maps = np.random.default_rng(0).normal(size=shape)
    found = as_matrix(torch.from_numpy(maps), space=space)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), as_matrix(maps, space=space))


def test_a_matrix_stays_as_it_is():
    matrix = np.ones((4, 3))
    assert as_matrix(matrix, space="samples") is matrix


def test_a_vector_and_an_unknown_choice_are_refused():
    with pytest.raises(PrunescopeError, match=r"got shape \[4\]"):
        as_matrix(np.ones(4), space="pool")
    with pytest.raises(
        PrunescopeError, match=r"unknown space 'pooled'.*did you mean 'pool'\? Known: flatten, pool, samples"
    ):
        as_matrix(np.ones((4, 3, 2)), space="pooled")
