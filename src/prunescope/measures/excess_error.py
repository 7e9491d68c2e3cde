"""Excess error: how much more a shift of the data hurts the pruned network than its dense parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ExcessError:
    """Excess errors and the straight lines through them.

    Args:
        excess: ``[levels]`` or ``[networks, levels]``, in the unit of the errors.
        slope: of the least-squares line through the origin, as published: the excess error at sparsity 1.
        slope_with_intercept: of the line with an intercept; None where all sparsities are equal.
        intercept: of that line.
    """

    excess: Array
    slope: float
    slope_with_intercept: float | None
    intercept: float | None


def excess_error(
    sparsity: ArrayLike,
    nominal: ArrayLike,
    shifted: ArrayLike,
    parent_nominal: ArrayLike,
    parent_shifted: ArrayLike,
) -> ExcessError:
    r"""Return $\Delta e(s) = (e_\text{shifted}(s) - e_\text{nominal}(s)) - (e^0_\text{shifted} - e^0_\text{nominal})$.

    The line is ordinary least squares over all networks and levels pooled; the networks, not the points, are
    independent, so an interval resamples networks.

    Args:
        sparsity: of the levels ``[levels]``, in [0, 1).
        nominal: errors of the pruned networks on nominal data ``[levels]`` or ``[networks, levels]``.
        shifted: errors on shifted data, the mean over a group of views; the same shape.
        parent_nominal: of the dense parents, a number or ``[networks]``.
        parent_shifted: the same shape.

    Raises:
        PrunescopeError: for shapes that do not fit, sparsities outside [0, 1) or all zero, numbers that are not finite.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021, definition 2.

    Example:
        >>> found = excess_error([0.5, 0.8], [8.0, 9.0], [31.0, 32.6], parent_nominal=8.0, parent_shifted=30.0)
        >>> found.excess.round(3).tolist(), round(found.slope, 3)
        ([1.0, 1.6], 2.0)
    """
    levels, errors, parents = _checked(sparsity, (nominal, shifted), (parent_nominal, parent_shifted))
    excess = (errors[1] - errors[0]) - (parents[1] - parents[0])[..., None]
    through_origin, slope, intercept = (float(part) for part in lines(levels, excess.reshape(-1, len(levels))))
    flat = bool(np.ptp(levels) == 0)
    return ExcessError(
        excess=excess,
        slope=through_origin,
        slope_with_intercept=None if flat else slope,
        intercept=None if flat else intercept,
    )


def lines(sparsities: Array, excess: Array) -> tuple[Array, Array, Array]:
    """Return slope through the origin, slope with intercept, and intercept ``[…]`` of points ``[…, networks, levels]``.

    All networks share the levels, so the line of the pooled points is the line of their mean. Without two different
    sparsities the line with intercept is level.
    """
    heights = excess.mean(axis=-2)
    through_origin = heights @ sparsities / (sparsities @ sparsities)
    spread = sparsities - sparsities.mean()
    slope = heights @ spread / max(float(spread @ spread), np.finfo(np.float64).tiny)
    return through_origin, slope, heights.mean(axis=-1) - slope * sparsities.mean()


def _checked(
    sparsity: ArrayLike, errors: tuple[ArrayLike, ArrayLike], parents: tuple[ArrayLike, ArrayLike]
) -> tuple[Array, list[Array], list[Array]]:
    """Return everything as float64, or refuse."""
    levels, *tables = (np.asarray(part, dtype=np.float64) for part in (sparsity, *errors, *parents))
    pruned, dense = tables[:2], tables[2:]
    shapes = [list(part.shape) for part in (levels, *tables)]
    fits = levels.ndim == 1 and levels.size > 0 and pruned[0].ndim in (1, 2) and pruned[0].shape[-1:] == levels.shape
    if not fits or pruned[1].shape != pruned[0].shape or any(d.shape != pruned[0].shape[:-1] for d in dense):
        expected = "[levels], twice [networks, levels] and twice [networks], networks left out for one"
        raise PrunescopeError("errors do not fit the levels", expected=expected, got=shapes)
    if not all(np.isfinite(part).all() for part in (levels, *tables)):
        raise PrunescopeError("a sparsity or an error is not finite", where="excess_error")
    if levels.min() < 0 or levels.max() >= 1 or levels.max() == 0:
        raise PrunescopeError("sparsity out of range", expected="0 ≤ s < 1, not all zero", got=levels.tolist())
    return levels, pruned, dense
