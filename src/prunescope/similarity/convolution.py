"""Convolutional activations as a matrix: three choices that answer three different questions."""

from __future__ import annotations

from typing import Literal, get_args

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.similarity.representation import Matrix

Space = Literal["flatten", "pool", "samples"]


def as_matrix(activations: Matrix, *, space: Space) -> Matrix:
    """Return activations ``[n, channels, *positions]`` as a matrix of examples by features.

    The choice changes both the value of a similarity and its sample size, so it has no default; record it
    beside the number.

    * ``flatten``: ``[n, channels · positions]``, every position is a feature: compares feature maps pixel by pixel.
    * ``pool``: ``[n, channels]``, the mean over positions: compares what is present, not where.
    * ``samples``: ``[n · positions, channels]``, every position is an example: neurons are channels. Positions of
      one image are not independent, so n overstates the evidence and permuted rows understate the floor.

    A matrix ``[n, features]`` (a fully connected layer) is returned as it is.

    Args:
        activations: numpy array or tensor with at least two axes.
        space: what becomes of the positions.

    Raises:
        PrunescopeError: for fewer than two axes or an unknown choice.

    Source: Raghu et al. 2017 (arXiv 1706.05806) for samples, Kornblith et al. 2019 (arXiv 1905.00414) for flatten.

    Example:
        >>> import numpy as np
        >>> maps = np.zeros((10, 3, 4, 4))
        >>> [as_matrix(maps, space=space).shape for space in ("flatten", "pool", "samples")]
        [(10, 48), (10, 3), (160, 3)]
    """
    if space not in get_args(Space):
        raise unknown_name("space", space, get_args(Space))
    if activations.ndim < 2:
        raise PrunescopeError(
            "activations need an axis of examples and one of channels",
            expected="[n, channels, *positions]",
            got=f"shape {list(activations.shape)}",
            where="as_matrix",
        )
    if activations.ndim == 2:
        return activations
    n, channels = activations.shape[:2]
    maps = activations.reshape(n, channels, -1)
    if space == "flatten":
        return maps.reshape(n, -1)
    if space == "pool":
        return maps.mean(2)
    return maps.swapaxes(1, 2).reshape(-1, channels)
