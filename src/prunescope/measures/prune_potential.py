"""Prune potential: the largest sparsity at which a network is still as good as its dense parent, on each view."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]
Rule = Literal["largest", "monotone", "interpolated"]

# Shares and points are sums and differences of decimals; what differs by rounding is equal.
ROUNDING = 1e-9


def prune_potential(
    sparsity: ArrayLike, error: ArrayLike, parent_error: float, delta: float, *, rule: Rule = "largest"
) -> float:
    r"""Return the prune potential $P = \max \{ s : e(s) \leq e_\text{parent} + \delta \}$, 0 if no level passes.

    Args:
        sparsity: of the tested levels ``[levels]``, in any order, each in [0, 1).
        error: of the pruned network ``[levels]``.
        parent_error: of its dense parent.
        delta: allowed rise of the error, in the unit of the errors; negative asks for an improvement.
        rule: ``largest``: the largest passing level, even above a failing one, as published. ``monotone``: the largest
            level up to which all pass. ``interpolated``: between the largest passing level and the next one, the
            sparsity at which the straight line between their errors reaches the limit; the parent stands at 0.

    Raises:
        PrunescopeError: for no level, lengths that differ, sparsities outside [0, 1), numbers that are not finite.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021, definition 1.

    Example:
        >>> prune_potential([0.5, 0.8, 0.9], [8.0, 9.0, 8.5], parent_error=8.0, delta=0.5)
        0.9
        >>> prune_potential([0.5, 0.8, 0.9], [8.0, 9.0, 8.5], 8.0, 0.5, rule="monotone")
        0.5
    """
    levels, errors = _checked(sparsity, error, parent_error, delta)
    order = np.argsort(levels, kind="stable")
    scale = max(1.0, abs(parent_error), float(np.abs(errors).max()))
    return float(potentials(levels[order], errors[order] - parent_error, delta, rule, slack=ROUNDING * scale))


def potentials(
    sparsities: Array, rises: Array, delta: float, rule: Rule = "largest", *, slack: float = ROUNDING
) -> Array:
    """Return prune potentials ``[…]`` of many networks from their rises of error ``[…, levels]``, sparsity rising."""
    passes = rises <= delta + slack
    if rule == "monotone":
        passes = np.logical_and.accumulate(passes, axis=-1)
    if rule != "interpolated":
        return np.asarray(np.where(passes, sparsities, 0.0).max(axis=-1))
    return _interpolated(sparsities, rises, passes, delta)


def _interpolated(sparsities: Array, rises: Array, passes: NDArray[np.bool_], delta: float) -> Array:
    """Go on from the last passing level towards the next; a parent at sparsity 0 stands before the first."""
    count = len(sparsities)
    last = np.where(passes.any(axis=-1), count - np.argmax(passes[..., ::-1], axis=-1), 0)
    places = np.concatenate([[0.0], sparsities])
    heights = np.concatenate([np.zeros_like(rises[..., :1]), rises], axis=-1)
    after = np.minimum(last + 1, count)
    low, high = (np.take_along_axis(heights, index[..., None], -1)[..., 0] for index in (last, after))
    climb = np.where(high > low, high - low, 1.0)
    share = np.where((last < count) & (high > low), np.clip((delta - low) / climb, 0, 1), 0.0)
    return np.asarray(places[last] + share * (places[after] - places[last]))


def _checked(sparsity: ArrayLike, error: ArrayLike, parent_error: float, delta: float) -> tuple[Array, Array]:
    """Return levels and errors as float64, or refuse."""
    levels, errors = np.asarray(sparsity, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if levels.ndim != 1 or levels.shape != errors.shape or not levels.size:
        got = f"sparsity {list(levels.shape)}, error {list(errors.shape)}"
        raise PrunescopeError("levels do not fit", expected="one error for each of one or more sparsities", got=got)
    numbers: dict[str, ArrayLike] = {"sparsity": levels, "error": errors, "parent_error": parent_error, "delta": delta}
    for name, values in numbers.items():
        if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
            raise PrunescopeError("not finite", got=values, where=f"prune_potential: {name}")
    if levels.min() < 0 or levels.max() >= 1:
        raise PrunescopeError("sparsity out of range", expected="0 ≤ s < 1", got=levels.tolist())
    return levels, errors
