"""Nonlinearities of two-layer networks with their slopes, on arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

Array = NDArray[np.float64]
Activation = Literal["erf", "relu", "tanh", "sigmoid", "linear"]

_SQRT_HALF = math.sqrt(0.5)
_SLOPE = math.sqrt(2 / math.pi)


class Nonlinearity(NamedTuple):
    """$g(u)$ and $g'(u)$; the slope is also given $g(u)$, from which some are cheaper."""

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]


NONLINEARITIES: Mapping[Activation, Nonlinearity] = {
    "erf": Nonlinearity(lambda u: erf(u * _SQRT_HALF), lambda u, g: _SLOPE * np.exp(-0.5 * u * u)),
    "relu": Nonlinearity(lambda u: np.maximum(u, 0.0), lambda u, g: (u > 0).astype(np.float64)),
    "tanh": Nonlinearity(np.tanh, lambda u, g: 1.0 - g * g),
    "sigmoid": Nonlinearity(expit, lambda u, g: g * (1.0 - g)),
    "linear": Nonlinearity(lambda u: u, lambda u, g: np.ones_like(u)),
}
"""By name; ``erf`` stands for erf(u/√2), as in the network's module of that name."""
