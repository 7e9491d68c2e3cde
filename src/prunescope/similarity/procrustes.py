"""Orthogonal Procrustes distance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.similarity.family import Family, pair_value
from prunescope.similarity.nbs import varying_compact
from prunescope.similarity.representation import Matrix, Representation


def procrustes_distance(x: Matrix, y: Matrix) -> float:
    r"""Return what is left between two shapes after the best rotation, a distance in [0, √2].

        d = min_Q ‖ X/‖X‖_F − (Y/‖Y‖_F) Q ‖_F,  Q orthogonal, X, Y centred, the narrower one padded with zeros.

    Convention: a distance (0 = equal up to rotation, scale and shift), not squared, no arccos. It carries the same
    information as NBS: d² = 2 (1 − NBS). The residual is computed itself, so small distances keep their digits.

    Args:
        x: ``[n, p]`` examples by features, numpy or torch.
        y: ``[n, q]`` the same examples.

    Raises:
        PrunescopeError: different n, NaN, all features constant.

    Source: Schönemann 1966; Williams et al. 2021 (arXiv 2110.14739) for representations.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> round(procrustes_distance(x, x @ [[0, 2], [-2, 0]] + 5), 9), round(procrustes_distance(x, x[:, :1]), 2)
        (0.0, 0.74)
    """
    return pair_value(procrustes_family(), x, y)


def procrustes_family() -> Family:
    """Return how :func:`procrustes_distance` prepares and compares layers."""
    return Family(varying_compact, _grid)


def _grid(xs: Sequence[Representation], ys: Sequence[Representation]) -> Tensor:
    return torch.stack([torch.stack([_distance(x, y) for y in ys]) for x in xs])


def _distance(x: Representation, y: Representation) -> Tensor:
    narrow, wide = sorted((x, y), key=lambda layer: layer.width)
    a, b = narrow.centred(), wide.centred()
    a, b = a / torch.linalg.vector_norm(a), b / torch.linalg.vector_norm(b)
    u, _, vh = torch.linalg.svd(a.T @ b, full_matrices=False)
    residual: Tensor = torch.linalg.vector_norm(a @ (u @ vh) - b)
    return residual
