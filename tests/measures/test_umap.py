import numpy as np
import pytest
from sklearn.decomposition import PCA

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Umap, embed, purity
from prunescope.measures.umap import installed


def test_principal_components_are_those_of_scikit_learn_up_to_sign():
    latents = np.random.default_rng(0).standard_normal((40, 6)) * [5, 3, 1, 1, 1, 1]
    peer = PCA(2).fit_transform(latents)
    np.testing.assert_allclose(np.abs(embed(latents, method="pca")), np.abs(peer), atol=1e-9)


def test_a_map_of_one_feature_or_of_a_point_is_flat():
    assert embed(np.arange(20.0)[:, None], method="pca")[:, 1].tolist() == [0.0] * 20
    assert not embed(np.ones((20, 3)), method="pca").any()


def test_purity_by_hand():
    points = [[0.0, 0], [0.1, 0], [0.2, 0], [9.0, 0], [9.1, 0], [9.2, 0]]
    assert purity(points, [0, 0, 0, 1, 1, 1], 2).tolist() == [1.0] * 6
    assert purity(points, [0, 0, 1, 1, 1, 0], 2).tolist() == [0.5, 0.5, 0.0, 0.5, 0.5, 0.0]


def test_bad_latents_are_refused():
    with pytest.raises(PrunescopeError, match="too few examples"):
        embed(np.zeros((15, 2)))
    with pytest.raises(PrunescopeError, match="not latents"):
        embed([[np.nan, 1.0]] * 20)
    if not installed():
        with pytest.raises(PrunescopeError, match=r"prunescope\[umap\]"):
            embed(np.eye(20), method="umap")


@pytest.mark.skipif(not installed(), reason="needs the extra umap")
def test_umap_is_seeded():
    latents = np.random.default_rng(0).standard_normal((60, 5))
    assert np.array_equal(embed(latents, method="umap"), embed(latents, method="umap"))


def test_the_measure_maps_the_same_examples_dense_and_pruned(synthetic):
    shown = synthetic.populations(networks=2, examples=80)
    found = Umap(method="pca", examples=50)(shown)
    chosen = found.arrays["examples"]
    assert len(set(chosen)) == 50
    latents = shown.pruned[0].evidence("latents")["latents"].numpy()[chosen]
    np.testing.assert_allclose(found.arrays["pruned_map"], embed(latents, method="pca"), rtol=1e-5)
    assert found["pruned_purity"].value == pytest.approx(
        purity(embed(latents, method="pca"), shown.labels[chosen]).mean()
    )
    assert Umap(method="pca")(synthetic.populations(examples=12)).status == "not applicable"
