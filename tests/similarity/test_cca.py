from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import quad
from sklearn.cross_decomposition import CCA as ReferenceCCA

from prunescope.core.errors import PrunescopeError
from prunescope.similarity import SmallSampleWarning, cca, layer_grid, mean_cca, pwcca, svcca


def pair(n=300, p=4, q=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.linspace(3, 0.3, p)
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(n, q)) * 2


def centred(x):
    return x - x.mean(0)


def test_one_feature_a_side_is_the_absolute_correlation():
    x, y = pair(p=1, q=1)
    assert cca(x, -y).correlations.tolist() == pytest.approx([abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1])])


def test_by_hand():
    # columns of length 2 and 4 in four examples; y mixes the first with an orthogonal third: correlation 3/5
    e = scipy.linalg.hadamard(8)[:, 1:].astype(float)
    found = cca(np.repeat(e[:, :2], 3, axis=0), np.repeat(3 * e[:, [0]] + 4 * e[:, [2]], 3, axis=0))
    assert found.correlations.tolist() == pytest.approx([0.6])
    assert (found.n, found.p, found.q, found.rank_x, found.rank_y) == (24, 2, 1, 2, 1)


def test_all_correlations_agree_with_the_angles_between_the_spans():
    x, y = pair()
    expected = np.sort(np.cos(scipy.linalg.subspace_angles(centred(x), centred(y))))[::-1]
    found = cca(x, y).correlations
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_first_correlations_agree_with_scikit_learn():
    x, y = pair()
    scores = ReferenceCCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(x, y)
    expected = [np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(2)]
    np.testing.assert_allclose(cca(x, y).correlations[:2], expected, atol=1e-6)


def test_the_mean_is_over_all_correlations():
    x, y = pair()
    assert mean_cca(x, y) == pytest.approx(cca(x, y).correlations.mean())


def test_dead_and_duplicated_units_are_counted_and_change_nothing():
    x, y = pair()
    found = cca(np.c_[x, np.ones(300), x[:, 0], np.zeros(300)], np.c_[y, y[:, 1] - 2 * y[:, 2]])
    assert (found.p, found.dropped_x, found.rank_x) == (7, 2, 4)
    assert (found.q, found.dropped_y, found.rank_y) == (7, 0, 6)
    np.testing.assert_allclose(found.correlations, cca(x, y).correlations, atol=1e-12)


def test_duplicates_up_to_float32_rounding_lower_the_rank():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(400, 5)) @ rng.normal(size=(5, 20))).astype(np.float32)
    assert np.linalg.matrix_rank(x.astype(np.float64)) > 5
    assert cca(x, x).rank_x == 5


def test_units_of_very_different_size_all_count():
    x, y = pair()
    found = cca(x * np.array([1e-6, 1.0, 1e5, 1.0]), y)
    assert found.rank_x == 4
    np.testing.assert_allclose(found.correlations, cca(x, y).correlations, atol=1e-7)


def test_a_column_of_rounding_dust_does_not_count():
    x, y = pair()
    dust = 1e-17 * np.random.default_rng(1).normal(size=300)
    assert cca(np.c_[x, dust], y).rank_x == 4


def test_as_many_features_as_examples_are_refused():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 20))
    for function in (cca, mean_cca, pwcca):
        with pytest.raises(PrunescopeError, match=r"x: .* expected n > p, got n = 20, p = 20"):
            function(x, y[:, :3])
        with pytest.raises(PrunescopeError, match=r"y: .* got n = 20, p = 20"):
            function(x[:, :3], y)


def test_dead_units_do_not_count_against_the_examples():
    x, y = pair(n=50, p=2, q=3)
    assert cca(np.c_[x, np.zeros((50, 60))], y).dropped_x == 60


@pytest.mark.parametrize("function", [cca, mean_cca, pwcca, svcca])
def test_fewer_than_ten_examples_a_feature_are_warned_about_where_the_caller_stands(function):
    x, y = np.random.default_rng(0).normal(size=(2, 49, 5))
    with pytest.warns(SmallSampleWarning, match="n = 49 examples for 5 features") as caught:
        function(x, y)
    assert caught[0].filename == __file__
    with pytest.warns(SmallSampleWarning) as caught:
        layer_grid([x, x], [y, y], metric=function.__name__)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(np.r_[x, x[:1]], np.r_[y, y[:1]])


def wachter_mean(ratio: float) -> float:
    """Mean canonical correlation of independent Gaussians, p = q = ratio · n, in the limit of large n."""
    edge = 4 * ratio * (1 - ratio)
    density = lambda s: math.sqrt(edge - s * s) / (math.pi * ratio * (1 - s * s))  # noqa: E731 - of s = ρ
    assert quad(density, 0, math.sqrt(edge))[0] == pytest.approx(1, abs=1e-6)
    return quad(lambda s: s * density(s), 0, math.sqrt(edge))[0]


@pytest.mark.parametrize("n", [1000, 4000])
def test_independent_gaussians_have_the_known_inflated_mean(n):
    x, y = np.random.default_rng(0).normal(size=(2, n, 100))
    assert mean_cca(x, y) == pytest.approx(wachter_mean(100 / n), abs=0.005)
    assert mean_cca(x, y) == pytest.approx(0.85 * math.sqrt(100 / n), abs=0.02)


def truncated_reference(x, y, variance):
    def leading(z):
        u, s, _ = np.linalg.svd(centred(z), full_matrices=False)
        kept = next(k for k in range(1, len(s) + 1) if (s[:k] ** 2).sum() >= variance * (s**2).sum() - 1e-12)
        return u[:, :kept]

    return np.linalg.svd(leading(x).T @ leading(y), compute_uv=False).mean()


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99])
def test_svcca_agrees_with_a_truncated_svd(variance):
    x, y = pair(p=8, q=6)
    assert svcca(x, y, variance=variance) == pytest.approx(truncated_reference(x, y, variance), abs=1e-12)


def test_svcca_counts_components_by_hand():
    e = np.repeat(scipy.linalg.hadamard(8)[:, 1:].astype(float), 10, axis=0)
    x = e[:, :3] * [3, 1, 0.1]  # shares of squared singular values: 9, 1 and 0.01 of 10.01
    y = e[:, [0, 3]]
    assert svcca(x, y, variance=0.89) == pytest.approx(1)  # 1 component of x: e0, which y spans
    assert svcca(x, y, variance=0.9) == pytest.approx(0.5)  # 2 components: e0 is shared, e1 is not
    assert svcca(x, np.c_[y, e[:, 4]], variance=1.0) == pytest.approx(1 / 3)


def test_svcca_of_everything_is_mean_cca():
    x, y = pair()
    wide_spectrum = x * np.array([1.0, 1e-4, 1.0, 1e-5])
    assert svcca(wide_spectrum, y, variance=1.0) == pytest.approx(mean_cca(x, y), abs=1e-9)


def test_svcca_takes_more_features_than_examples_if_few_components_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 400)) + 1e-3 * rng.normal(size=(100, 400))
    assert svcca(x, x[:, :200]) == pytest.approx(1, abs=1e-3)


def test_svcca_refuses_components_that_span_all_examples():
    x = np.random.default_rng(0).normal(size=(20, 100))
    with pytest.raises(PrunescopeError, match=r"x: the components kept span all examples.*n = 20, components = 19"):
        svcca(x, x[:, :1])


@pytest.mark.parametrize("variance", [0.0, -0.1, 1.01, math.nan])
def test_svcca_refuses_a_share_outside_its_range(variance):
    with pytest.raises(PrunescopeError, match="variance out of range; expected 0 < variance ≤ 1"):
        svcca(*pair(), variance=variance)


def projection_weighted_reference(x, y):
    """From the generalised eigenproblem of the covariances: another route to variates and correlations."""
    x, y = centred(x), centred(y)
    sxx, sxy, syy = x.T @ x, x.T @ y, y.T @ y
    squares, directions = scipy.linalg.eigh(sxy @ np.linalg.solve(syy, sxy.T), sxx)
    squares, directions = squares[::-1], directions[:, ::-1]
    k = min(x.shape[1], y.shape[1])
    variates = x @ directions[:, :k]
    weights = np.abs((variates / np.linalg.norm(variates, axis=0)).T @ x).sum(1)
    return (weights * np.sqrt(squares[:k].clip(0))).sum() / weights.sum()


@pytest.mark.parametrize(("p", "q"), [(4, 6), (6, 4), (5, 5)])
def test_pwcca_agrees_with_the_generalised_eigenproblem(p, q):
    x, y = pair(p=p, q=q)
    assert pwcca(x + 3, y - 2) == pytest.approx(projection_weighted_reference(x, y), abs=1e-10)


def test_pwcca_by_hand():
    e = np.repeat(scipy.linalg.hadamard(8)[:, 1:].astype(float), 10, axis=0)
    x = e[:, :2] * [4, 1]  # the first direction of x weighs 4, the second 1
    y = np.c_[e[:, 0], 3 * e[:, 1] + 4 * e[:, 2]]  # correlations 1 and 0.6
    assert pwcca(x, y) == pytest.approx((4 * 1 + 1 * 0.6) / 5)
    assert pwcca(y, x) == pytest.approx((1 * 1 + 5 * 0.6) / 6)


def test_pwcca_weighs_little_what_varies_little():
    x, _ = pair(p=3, q=3)
    z = np.c_[x[:, :2], 1e-3 * np.random.default_rng(5).normal(size=300)]
    assert pwcca(z, x) > mean_cca(z, x) + 0.2
