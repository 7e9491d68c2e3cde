"""Excess error: how much more a shift of the data hurts the pruned network than its dense parent."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.data import View
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.error_curves import NOMINAL, SHIFTED, ErrorCurves, interval_around
from prunescope.measures.subject import Curve

Array = NDArray[np.float64]
POINTS = 100.0
LINES = ("slope", "slope_with_intercept", "intercept")


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


def _points(meaning: str) -> Quantity:
    return Quantity(unit="points", better="lower", range=(None, None), neutral=0, meaning=meaning)


@MEASURES.register("excess_error")
class ExcessErrors(Measure):
    """Excess error of the pruned networks at each level, and the lines through it.

    The error of a distribution is the mean over its views. Intervals are the cluster bootstrap: networks are resampled
    with all their levels, and images on all views together; the points of one network are not independent. The slope
    through the origin is the published one; where it and the slope with an intercept differ, the excess does not grow
    in proportion.

    Attributes:
        nominal: patterns of the views of the train distribution.
        shifted: patterns of the views of the test distribution, those of the train distribution left out.
    """

    nominal: tuple[str, ...] = NOMINAL
    shifted: tuple[str, ...] = SHIFTED

    card: ClassVar[Card] = Card(
        title="Excess error",
        scope="curve",
        evidence=frozenset({"logits", "state"}),
        quantities={
            "excess": _points("rise of the error from train to test distribution, pruned minus dense; by sparsity"),
            "slope": _points("excess error at sparsity 1 on the least-squares line through the origin"),
            "slope_with_intercept": _points("slope of the least-squares line with an intercept"),
            "intercept": _points("intercept of that line"),
        },
        invariant_to=("network order", "example order", "class relabelling", "logit scale"),
        ties="equal logits go to the lowest class",
        source="Liebenwein et al., Lost in Pruning, MLSys 2021",
    )

    def sees(self, view: View) -> bool:
        """Return whether the view belongs to one of the distributions."""
        return any(fnmatchcase(view.name, pattern) for pattern in self.nominal + self.shifted)

    def __call__(self, shown: Curve) -> Measurement:
        """Return the excess by level and the lines."""
        curves = ErrorCurves.of(shown)
        nominal, shifted = curves.group(self.nominal), curves.group(self.shifted, without=self.nominal)
        if not nominal or not shifted:
            missing = "train" if not nominal else "test"
            return Measurement.not_applicable(f"no view of the {missing} distribution among {', '.join(curves.views)}")
        if not curves.sparsities.any():
            return Measurement.not_applicable("no level is pruned")
        rows, drawn = curves.resampled()
        excess = _excess(curves.errors, nominal, shifted, axis=0)
        draws = np.einsum("bn,bnl->bl", rows, _excess(drawn, nominal, shifted, axis=1))
        n = sum(curves.wrong[view].shape[2] for view in nominal + shifted)
        values = [
            Value.of("excess", float(mean), n, interval=interval_around(draw, float(mean)), item=f"{sparsity:.4g}")
            for sparsity, mean, draw in zip(curves.sparsities, excess.mean(axis=0), draws.T, strict=True)
        ]
        names = LINES if np.ptp(curves.sparsities) else LINES[:1]
        fitted, spread = lines(curves.sparsities, excess), lines(curves.sparsities, draws[:, None])
        values += [
            Value.of(name, float(value), n, interval=interval_around(draw, float(value)))
            for name, value, draw in zip(names, fitted, spread, strict=False)
        ]
        return Measurement(values=tuple(values))


def _excess(errors: Array, nominal: list[int], shifted: list[int], axis: int) -> Array:
    """Return excess errors in points ``[…, networks, levels]`` of errors with their views on ``axis``."""
    rise = errors.take(shifted, axis).mean(axis) - errors.take(nominal, axis).mean(axis)
    return np.asarray(POINTS * (rise[..., 1:] - rise[..., :1]))
