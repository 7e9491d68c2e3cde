"""Prune potential: the largest sparsity at which a network is still as good as its dense parent, on each view."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import field_validator

from prunescope.core.errors import PrunescopeError
from prunescope.core.margins import margin_p_value
from prunescope.data import View
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.error_curves import NOMINAL, SHIFTED, ErrorCurves, interval_around, network_means
from prunescope.measures.subject import Curve

Array = NDArray[np.float64]
Rule = Literal["largest", "monotone", "interpolated"]

# Shares and points are sums and differences of decimals; what differs by rounding is equal.
ROUNDING = 1e-9
POINTS = 100.0
SLACK = ROUNDING * POINTS
ONE_SIDED = 0.025


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


TRAIN, TEST = "train distribution", "test distribution"
RULES: dict[str, Rule] = {"potential": "largest", "interpolated": "interpolated", "monotone": "monotone"}


def _share(meaning: str) -> Quantity:
    return Quantity(unit="share", better="higher", range=(0, 1), meaning=meaning)


@MEASURES.register("prune_potential")
class PrunePotential(Measure):
    """Prune potential of each view, and its mean and minimum over the train and the test distribution.

    Each pruned network is compared with its own dense parent on the same images; potentials are means over the
    networks. The interval resamples networks and images, because δ is often as small as the sampling error: of 10 000
    images an error of 8 % is known to ±0.5 points. ``certain`` asks for more than the point estimate: going up from the
    smallest level, each must lose less than δ at a one-sided 2.5 % in a paired test. Sparsities are what the masks
    remove, whatever the recipe's levels count; between levels a potential is not resolved.

    Attributes:
        delta: allowed rises of the error in points; further ones than the first are reported as ``VIEW, δ = …``.
        nominal: patterns of the views of the train distribution.
        shifted: patterns of the views of the test distribution, those of the train distribution left out.
    """

    delta: tuple[float, ...] = (0.5,)
    nominal: tuple[str, ...] = NOMINAL
    shifted: tuple[str, ...] = SHIFTED

    card: ClassVar[Card] = Card(
        title="Prune potential",
        scope="curve",
        evidence=frozenset({"logits", "state"}),
        quantities={
            "potential": _share(
                "largest tested sparsity at which the error rises by at most δ; floor: the train distribution's mean"
            ),
            "interpolated": _share("the same, on straight lines between the levels"),
            "monotone": _share("largest sparsity up to which every level passes"),
            "certain": _share("largest sparsity up to which every level surely (97.5 %) loses less than δ"),
            "mean": _share("mean of the potential over the views of a distribution"),
            "minimum": _share("smallest potential over the views of a distribution"),
        },
        invariant_to=("network order", "example order", "class relabelling", "logit scale"),
        ties="an error that rises by exactly δ passes; equal logits go to the lowest class",
        source="Liebenwein et al., Lost in Pruning, MLSys 2021; Tango, Statistics in Medicine 17 (1998)",
    )

    @field_validator("delta")
    @classmethod
    def _some_finite(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or not np.isfinite(value).all() or max(np.abs(value)) >= 100:
            raise PrunescopeError("delta out of range", expected="−100 < δ < 100 points", got=list(value))
        return value

    def sees(self, view: View) -> bool:
        """Return True: every view has its potential."""
        return True

    def __call__(self, shown: Curve) -> Measurement:
        """Return potentials by view, by network and view, and by distribution."""
        curves = ErrorCurves.of(shown)
        rows, drawn = curves.resampled()
        groups = {TRAIN: curves.group(self.nominal), TEST: curves.group(self.shifted, without=self.nominal)}
        of_groups = [
            _of_group(curves, rows, drawn, self.delta[0], name, views) for name, views in groups.items() if views
        ]
        train = next((value for values in of_groups for value in values if value.item == TRAIN), None)
        floor = None if train is None else (train.value, *_interval(train))
        values = [value for values in of_groups for value in values]
        for delta in self.delta:
            own = delta == self.delta[0]
            values += _by_view(curves, rows, drawn, delta, "" if own else f", δ = {delta:g}", floor if own else None)
        seeds = [subject.seed for subject in next(iter(shown.views.values()))[0].pruned]
        values += _by_network(curves, self.delta[0], seeds)
        return Measurement(values=tuple(values))


def _interval(value: Value) -> tuple[float, float]:
    """Return the interval of a value that has one."""
    assert value.low is not None
    assert value.high is not None
    return value.low, value.high


def _rises(errors: Array) -> Array:
    return POINTS * (errors[..., 1:] - errors[..., :1])


def _by_view(
    curves: ErrorCurves, rows: Array, drawn: Array, delta: float, suffix: str, floor: tuple[float, float, float] | None
) -> list[Value]:
    """Return the four potentials of each view; the floor of the published one is that of the train distribution."""
    values = []
    for quantity, rule in RULES.items():
        found = potentials(curves.sparsities, _rises(curves.errors), delta, rule, slack=SLACK)
        draws = network_means(rows, potentials(curves.sparsities, _rises(drawn), delta, rule, slack=SLACK))
        for place, view in enumerate(curves.views):
            value, n = float(found[place].mean()), curves.wrong[place].shape[2]
            interval, null = interval_around(draws[:, place], value), floor if quantity == "potential" else None
            values.append(Value.of(quantity, value, n, interval=interval, floor=null, item=view + suffix))
    for place, view in enumerate(curves.views):
        n = curves.wrong[place].shape[2]
        values.append(Value.of("certain", _certain(curves, place, delta), n, item=view + suffix))
    return values


def _certain(curves: ErrorCurves, place: int, delta: float) -> float:
    """Go up level by level while the paired test is sure; a fixed sequence needs no correction."""
    right, reached = 1 - curves.wrong[place], 0.0
    for level, sparsity in enumerate(curves.sparsities, start=1):
        exact = curves.unchanged[level - 1]
        if margin_p_value(right[:, 0], right[:, level], delta / POINTS, exact=exact) > ONE_SIDED:
            break
        reached = float(sparsity)
    return reached


def _of_group(curves: ErrorCurves, rows: Array, drawn: Array, delta: float, name: str, views: list[int]) -> list[Value]:
    """Return mean and minimum over some views, of each network, then the mean over networks."""
    found = potentials(curves.sparsities, _rises(curves.errors), delta, slack=SLACK)[views]
    draws = potentials(curves.sparsities, _rises(drawn), delta, slack=SLACK)[:, views]
    n = sum(curves.wrong[view].shape[2] for view in views)
    values = []
    for quantity, over in (("mean", np.mean), ("minimum", np.min)):
        value = float(over(found, axis=0).mean())
        interval = interval_around(network_means(rows, over(draws, axis=1)), value)
        values.append(Value.of(quantity, value, n, interval=interval, item=name))
    return values


def _by_network(curves: ErrorCurves, delta: float, seeds: list[int]) -> list[Value]:
    found = potentials(curves.sparsities, _rises(curves.errors), delta, slack=SLACK)
    return [
        Value.of("potential", float(found[place, i]), curves.wrong[place].shape[2], item=view, seed=seed)
        for place, view in enumerate(curves.views)
        for i, seed in enumerate(seeds)
    ]
