"""All pairs of layers at once, the floor that permuted examples give, and what a metric keeps of one layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.similarity.basis import Basis
from prunescope.similarity.cca import mean_cca_family, pwcca_family, svcca_family
from prunescope.similarity.cka import cka_family
from prunescope.similarity.family import Family
from prunescope.similarity.nbs import nbs_family
from prunescope.similarity.procrustes import procrustes_family
from prunescope.similarity.representation import Matrix, represent

FAMILIES: Mapping[str, Callable[..., Family]] = MappingProxyType(
    {
        "cka": cka_family,
        "cca": mean_cca_family,
        "mean_cca": mean_cca_family,
        "svcca": svcca_family,
        "pwcca": pwcca_family,
        "nbs": nbs_family,
        "procrustes_distance": procrustes_family,
    }
)


def layer_grid(
    xs: Sequence[Matrix], ys: Sequence[Matrix], metric: str = "cka", **options: object
) -> NDArray[np.float64]:
    r"""Return ``[len(xs), len(ys)]`` values of a metric for all pairs of layers.

    What belongs to one layer (QR, SVD, kernel, its HSIC with itself) is done once per layer. Linear CKA, CCA and
    NBS take all cross products X_iᵀ Y_j from one product of the stacked layers, filled some rows at a time.

    Args:
        xs: matrices ``[n, p_i]`` of the same n examples, numpy or torch.
        ys: matrices ``[n, q_j]`` of the same examples; pass ``xs`` itself for a square grid at less cost.
        metric: ``cka``, ``cca`` (the mean of all correlations, also ``mean_cca``), ``svcca``, ``pwcca`` (weighted
            by the layers of xs), ``nbs`` or ``procrustes_distance`` (a distance).
        options: of that metric: ``debiased``, ``kernel``, ``bandwidth`` for cka, ``variance`` for svcca.

    Raises:
        PrunescopeError: an unknown metric or option, no layers, and what the metric itself refuses, naming the layer.

    Warns:
        SmallSampleWarning: for the CCA metrics, once, when n < 10 times the features of any layer.

    Source: Kornblith et al. 2019 (arXiv 1905.00414).

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 5))
        >>> layer_grid([x, y], [x, x + y], metric="nbs").round(2).tolist()
        [[1.0, 0.7], [0.07, 0.7]]
    """
    chosen = family(metric, options)
    if len(xs) == 0 or len(ys) == 0:
        raise PrunescopeError("a grid needs layers on both sides", got=f"{len(xs)} and {len(ys)}", where="layer_grid")
    names = [f"xs[{i}]" for i in range(len(xs))]
    if ys is xs:
        left = right = [chosen.prepare(layer) for layer in represent(xs, names)]
    else:
        layers = represent([*xs, *ys], names + [f"ys[{j}]" for j in range(len(ys))])
        sides = [chosen.prepare(layer) for layer in layers]
        left, right = sides[: len(xs)], sides[len(xs) :]
    chosen.warn_if_small(len(xs[0]), [*left, *right], stacklevel=3)
    return np.asarray(chosen.compare(left, right).cpu().numpy(), dtype=np.float64)


def permutation_floor(
    metric: str | Callable[[Matrix, Matrix], float],
    x: Matrix,
    y: Matrix,
    draws: int = 20,
    seed: int = 0,
    **options: object,
) -> NDArray[np.float64]:
    """Return ``[draws]`` values of a metric after the examples of y were put in random order.

    They are what the metric gives to representations with these spectra, widths and n that have nothing to do
    with each other: the null floor of a similarity. A layer is prepared once, not once per draw, when the metric is
    named. Rows that are not independent (positions of one image as samples) make the floor too low.

    Args:
        metric: a name as in :func:`layer_grid`, or any function of two matrices.
        x: ``[n, p]`` examples by features.
        y: ``[n, q]`` the same examples.
        draws: number of permutations.
        seed: of the permutations.
        options: of the metric, if it is named.

    Raises:
        PrunescopeError: fewer than one draw, options beside a function, and what the metric itself refuses.

    Source: Legendre and Legendre, Numerical Ecology (3rd ed. 2012), section 1.2.

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).normal(size=(2, 400, 20))
        >>> permutation_floor("mean_cca", x, y, draws=3, seed=1).round(2).tolist()
        [0.19, 0.19, 0.19]
    """
    if draws < 1:
        raise PrunescopeError("a floor needs draws", expected="draws ≥ 1", got=draws, where="permutation_floor")
    rng = np.random.default_rng(seed)
    if callable(metric):
        if options:
            raise PrunescopeError("options belong to a named metric", got=sorted(options), where="permutation_floor")
        return np.array([metric(x, y[rng.permutation(len(y))]) for _ in range(draws)], dtype=np.float64)
    chosen = family(metric, options)
    layer_x, layer_y = represent([x, y], ["x", "y"])
    side_x, side_y = chosen.prepare(layer_x), chosen.prepare(layer_y)
    floor = np.empty(draws)
    for draw in range(draws):
        order = torch.from_numpy(rng.permutation(layer_y.n)).to(layer_y.data.device)
        floor[draw] = float(chosen.compare([side_x], [side_y.permuted(order)])[0, 0])
    return floor


class LayerFacts(NamedTuple):
    """What a value of a layer rests on.

    Attributes:
        n: examples.
        features: width, constant ones included.
        dropped: constant features, which no metric looks at.
        rank: dimensions that are compared: what the features span (``cca``, ``pwcca``) or the components kept
            (``svcca``); None for a metric that weighs all directions by their variance.
    """

    n: int
    features: int
    dropped: int
    rank: int | None


def layer_facts(x: Matrix, metric: str = "cka", **options: object) -> LayerFacts:
    """Return what a metric, named as in :func:`layer_grid`, compares of one layer ``[n, p]``.

    Raises:
        PrunescopeError: as the metric itself.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> layer_facts(np.c_[x, x.sum(1), np.ones(100)], "cca")
        LayerFacts(n=100, features=4, dropped=1, rank=2)
    """
    [layer] = represent([x], ["x"])
    layer.require_variation()
    side = family(metric, options).prepare(layer)
    dropped = layer.width - int(layer.alive.sum())
    return LayerFacts(layer.n, layer.width, dropped, side.rank if isinstance(side, Basis) else None)


def family(metric: str, options: Mapping[str, object]) -> Family:
    """Return the family of a named metric; an unknown name or option is answered with the known ones."""
    if metric not in FAMILIES:
        raise unknown_name("metric", metric, FAMILIES)
    known = inspect.signature(FAMILIES[metric]).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {metric}", option, known)
    return FAMILIES[metric](**options)
