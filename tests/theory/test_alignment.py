"""Assignment of students to teachers: recovered, reported, never a crash."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.theory import align, generalization_error, order_parameters

INPUTS = 400


def specialised(teacher_of: list[int], sign: list[int], seed: int, spread: float = 0.1):
    rng = np.random.default_rng(seed)
    teachers = rng.normal(size=(max(teacher_of) + 1, INPUTS))
    students = np.array(sign)[:, None] * teachers[teacher_of] + spread * rng.normal(size=(len(sign), INPUTS))
    return order_parameters(students, teachers)


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3), st.floats(0.05, 20))
@settings(max_examples=30, deadline=None)
def test_shuffled_signed_and_scaled_blocks_are_found(seed, z, m, scale):
    rng = np.random.default_rng(seed)
    teacher_of = rng.permutation(np.repeat(np.arange(m), z)).tolist()
    sign = rng.choice([-1, 1], size=z * m).tolist()
    q, r, t = specialised(teacher_of, sign, seed)
    told = align(scale**2 * q, scale * r, t)
    assert told.teacher.tolist() == teacher_of
    assert told.sign.tolist() == sign
    assert told.converged.all()
    assert not told.displaced.any()
    assert told.equal_blocks
    assert told.block_sizes.tolist() == [z] * m
    assert sorted(told.permutation.tolist()) == list(range(z * m))
    np.testing.assert_allclose(told.r, scale * np.kron(np.eye(m), np.ones((z, 1))), atol=0.4 * scale)
    assert (np.diff(told.teacher[told.permutation]) >= 0).all()


def test_aligned_order_parameters_are_the_same_network():
    q, r, t = specialised([1, 0, 1, 0], [1, -1, -1, 1], seed=0)
    told = align(q, r, t)
    v = np.array([0.5, -0.2, 1.0, 0.3])
    same = generalization_error(told.q, told.r, t, (v * told.sign)[told.permutation], [1.0, 1.0])
    assert same == pytest.approx(generalization_error(q, r, t, v, [1.0, 1.0]))
    assert (told.r[[0, 1], [0, 0]] > 0.8).all()
    assert (told.r[[2, 3], [1, 1]] > 0.8).all()
    assert (told.overlap > 0.9).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_assignment_is_optimal(seed):
    rng = np.random.default_rng(seed)
    q, r, t = order_parameters(rng.normal(size=(4, 6)), rng.normal(size=(2, 6)))
    cosine = np.abs(r) / np.sqrt(np.diagonal(q)[:, None] * np.diagonal(t))
    told = align(q, r, t)
    best = max(cosine[range(4), list(p)].sum() for p in set(permutations([0, 0, 1, 1])))
    assert cosine[range(4), told.teacher].sum() == pytest.approx(best)
    assert np.bincount(told.teacher).tolist() == [2, 2]


def test_unequal_blocks_are_reported():
    told = align(*specialised([0, 0, 0, 1], [1, 1, 1, 1], seed=1))
    assert told.block_sizes.tolist() == [3, 1]
    assert told.displaced.sum() == 1
    assert told.converged.all()
    assert not told.equal_blocks


def test_unconverged_and_pruned_students_are_reported():
    q, r, t = specialised([0, 0, 1, 1], [1, 1, 1, 1], seed=2)
    rng = np.random.default_rng(0)
    teachers = rng.normal(size=(2, INPUTS))
    lost = order_parameters(np.vstack([teachers, rng.normal(size=(1, INPUTS)), np.zeros((1, INPUTS))]), teachers)
    told = align(*lost)
    assert told.converged.tolist() == [True, True, False, False]
    assert told.block_sizes.tolist() == [1, 1]
    assert not told.equal_blocks
    assert np.isfinite(told.overlap).all()
    assert not align(q, r, t, threshold=1.0).converged.any()


def test_students_that_do_not_divide_and_fewer_students_than_teachers():
    odd = align(*specialised([0, 0, 1], [1, 1, -1], seed=3))
    assert odd.teacher.tolist() == [0, 0, 1]
    assert odd.block_sizes.tolist() == [2, 1]
    few = align(*specialised([2, 0], [1, 1], seed=4))
    assert few.teacher.tolist() == [2, 0]
    assert few.block_sizes.tolist() == [1, 0, 1]


def test_refusals():
    eye = np.eye(2)
    for threshold in (0.0, 1.1, np.nan):
        with pytest.raises(PrunescopeError, match="threshold"):
            align(eye, eye * 0.5, eye, threshold=threshold)
    with pytest.raises(PrunescopeError, match="more than one network"):
        align(np.stack([eye, eye]), eye * 0.5, eye)
    with pytest.raises(PrunescopeError, match="semi-definite"):
        align(eye, eye * 1.5, eye)
