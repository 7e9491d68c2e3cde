import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.core.errors import PrunescopeError
from prunescope.pruning.kernels import KERNELS, Linear, Rbf


def columns(n=40, items=6, seed=0):
    return torch.randn(n, items, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(h):
    return h.T @ h / len(h)


@pytest.mark.parametrize("beta", [0.3, 10.0])
def test_rbf_equals_its_definition_on_columns(beta):
    h = columns()
    told = Rbf(beta=beta, epsilon=0.02)(moments(h))
    for i in range(6):
        for j in range(6):
            expected = torch.exp(-beta * ((h[:, i] - h[:, j]) ** 2).sum() / 40) + 0.02 * (i == j)
            torch.testing.assert_close(told[i, j], expected)


def test_the_number_of_images_does_not_matter():
    h = columns()
    for kernel in (Rbf(), Rbf(beta="median"), Linear()):
        torch.testing.assert_close(kernel(moments(torch.cat([h, h, h]))), kernel(moments(h)))


def test_the_median_makes_the_scale_irrelevant_and_halves_the_pairs():
    h = columns(items=7)
    told = Rbf(beta="median", epsilon=0.0)(moments(h))
    torch.testing.assert_close(Rbf(beta="median", epsilon=0.0)(moments(1e3 * h)), told)
    pairs = told[torch.triu(torch.ones(7, 7, dtype=torch.bool), 1)]
    assert float(pairs.sort(descending=True).values[10]) == pytest.approx(float(torch.tensor(-1.0).exp()))  # 21 pairs


def test_equal_columns_are_as_similar_as_can_be():
    h = columns()[:, [0, 0, 1]]
    for beta in (1.0, "median"):
        told = Rbf(beta=beta, epsilon=0.0)(moments(h))
        assert told[0, 1] == pytest.approx(1.0)
        assert told[0, 2] < 1.0
    same = Rbf(beta="median", epsilon=0.5)(moments(columns()[:, [0, 0]]))
    torch.testing.assert_close(same, torch.ones(2, 2, dtype=torch.float64) + 0.5 * torch.eye(2))


@given(st.integers(0, 500), st.sampled_from([Linear(epsilon=0.1), Rbf(), Rbf(beta="median")]))
def test_kernels_are_positive_definite_and_batched(seed, kernel):
    batch = torch.stack([moments(columns(n=3, seed=seed)), moments(columns(n=5, seed=seed + 1))])
    told = kernel(batch)
    assert float(torch.linalg.eigvalsh(told).min()) > 0
    for one, alone in zip(told, batch, strict=True):
        torch.testing.assert_close(one, kernel(alone))


def test_linear_is_the_second_moments_with_a_ridge():
    g = moments(columns())
    assert Linear()(g).equal(g)
    assert Linear(epsilon=0.5)(g).equal(g + 0.5 * torch.eye(6))


@pytest.mark.parametrize(
    "options", [{"beta": 0}, {"beta": "mean"}, {"epsilon": -1}, {"beta": float("nan")}, {"gamma": 1}]
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(PrunescopeError, match="rbf"):
        KERNELS.build({"rbf": options})
    assert KERNELS.build({"rbf": {"beta": 0.1}}) == Rbf(beta=0.1)
    with pytest.raises(PrunescopeError, match="beta"):
        KERNELS.build({"linear": {"beta": 1.0}})
