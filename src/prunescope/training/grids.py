"""Named sparsity grids: the levels of published prune-accuracy curves, with the steps on the way to each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import unknown_name

Way = tuple[float, ...]


def geometric(first: float, last: float, count: int) -> NDArray[np.float64]:
    """Return ``count`` kept shares from ``first`` to ``last``, each the same factor below the one before."""
    return np.geomspace(first, last, count)


def linear(first: float, last: float, count: int) -> NDArray[np.float64]:
    """Return ``count`` kept shares from ``first`` to ``last``, each the same difference below the one before."""
    return np.linspace(first, last, count)


def ways(*kept: NDArray[np.float64], steps: int = 1) -> tuple[Way, ...]:
    """Return sparsities 1 − kept to four digits, ``steps`` together: the last is a level, the others lead to it.

    Example:
        >>> ways(linear(0.9, 0.6, 4), steps=2)
        ((0.1, 0.2), (0.3, 0.4))
    """
    sparsities = [round(1 - float(share), 4) for share in np.concatenate(kept)]
    return tuple(tuple(sparsities[i : i + steps]) for i in range(0, len(sparsities), steps))


# Liebenwein et al., Lost in Pruning, MLSys 2021: shares of the parameters kept, retrained after every third on CIFAR-10
# (the VGG grid is that of ResNet-56 and ResNet-110 too), after every one elsewhere and in robust training.
GRIDS: Mapping[str, tuple[Way, ...]] = {
    "resnet20-published": ways(geometric(0.99, 0.855, 2), geometric(0.85, 0.15, 58), linear(0.132, 0.02, 9), steps=3),
    "vgg16-published": ways(geometric(0.99, 0.855, 2), geometric(0.85, 0.02, 58), steps=3),
    "densenet22-published": ways(
        geometric(0.99, 0.855, 2), geometric(0.85, 0.10, 58), linear(0.0918, 0.0469, 6), steps=3
    ),
    "wrn16-8-published": ways(geometric(0.99, 0.855, 2), geometric(0.85, 0.10, 58), linear(0.09182, 0.02, 9), steps=3),
    "robust-published": ways(geometric(0.8, 0.03, 16)),
    "robust-densenet22-published": ways(geometric(0.8, 0.05, 13)),
    "imagenet-published": ways(geometric(0.9, 0.35, 12), linear(0.31, 0.1, 6)),
}


def grid(name: str) -> tuple[Way, ...]:
    """Return the levels of a name, each with the steps on the way to it; hyphen and underscore are the same.

    Raises:
        PrunescopeError: for a name that is none, with the nearest ones.
    """
    wanted = name.replace("_", "-")
    if wanted not in GRIDS:
        raise unknown_name("grid of levels", name, GRIDS)
    return GRIDS[wanted]
