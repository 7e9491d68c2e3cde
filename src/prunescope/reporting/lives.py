"""Lives: what was recorded of the training of every variant, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.core.statistics import spread_within
from prunescope.reporting.material import DENSE
from prunescope.reporting.reading import Reading, Row

MEASURE = "history"
ACTS = {
    "prune": "pruned", "regrow": "mask lifted", "freeze": "frozen", "unfreeze": "unfrozen", "rewind": "rewound",
    "recalibrate": "recalibrated",
}  # fmt: skip
"""Stages without epochs that a chart marks, as they are told."""

Array = NDArray[np.float64]
Points = list[tuple[float, Row]]


@dataclass(frozen=True)
class Life:
    """One variant: its place in the table (a row to copy), what was recorded, by name, and its layers in order."""

    row: Row
    arrays: Mapping[str, Array]
    layers: Sequence[str] = ()

    @property
    def recipe(self) -> str:
        """The recipe."""
        return self.row.recipe

    @property
    def label(self) -> str:
        """The recipe, and the sparsity where it has one."""
        return f"{self.recipe} at {self.row.at}" if self.row.sparsity else self.recipe

    def points(self, name: str, *, scale: float = 1.0, item: str = "") -> Points:
        """Return the mean over seeds of a recorded number by epochs trained, with its spread."""
        if name not in self.arrays:
            return []
        most = scale if name.endswith("accuracy") or name.startswith("zeros/") else None
        return self._points(scale * self.arrays[name], self.arrays[f"epoch/{name}"], most, item)

    def regrown_size(self) -> Points:
        """Return by epoch the mean absolute value of all weights that had grown from zero since the mask was lifted."""
        names = [name.removeprefix("grown_size/") for name in self.arrays if name.startswith("grown_size/")]
        if not names:
            return []
        times = [list(self.arrays[f"epoch/grown_size/{name}"]) for name in names]
        shared = [time for time in times[0] if all(time in own for own in times)]
        grown, size = (self._at(prefix, names, shared) for prefix in ("grown", "grown_size"))
        return self._points((grown * size).sum(0) / grown.sum(0), np.array(shared), None, "")

    def acts(self) -> dict[float, str]:
        """Return what was done between epochs, by the number of epochs trained until then."""
        told: dict[float, list[str]] = {}
        for kind, act in ACTS.items():
            for time in self.arrays.get(f"at/{kind}", ()):
                told.setdefault(float(time), []).append(act)
        return {time: ", ".join(acts) for time, acts in sorted(told.items())}

    def _at(self, prefix: str, names: Sequence[str], times: Sequence[float]) -> Array:
        """Return ``[names, networks, times]`` of a number recorded by tensor."""
        rows = []
        for name in names:
            own = list(self.arrays[f"epoch/{prefix}/{name}"])
            rows.append(self.arrays[f"{prefix}/{name}"][:, [own.index(time) for time in times]])
        return np.stack(rows)

    def _points(self, values: Array, times: Array, most: float | None, item: str) -> Points:
        points = []
        for time, column in zip(times, values.T, strict=True):
            low, high = spread_within(list(column), 0.0, most) or (None, None)
            row = self.row._replace(value=float(column.mean()), low=low, high=high, item=item, n=len(column))
            points.append((float(time), row))
        return points


def lives(reading: Reading) -> list[Life]:
    """Return every variant whose training was recorded, the dense one first."""
    kept = {place[:2]: arrays for place, arrays in reading.material.arrays.items() if place[3] == MEASURE}
    items = reading.of(MEASURE, "zeros", items=True)
    found = [
        Life(row, kept[row.recipe, row.level], _layers(items, row))
        for row in reading.of(MEASURE, "zeros")
        if (row.recipe, row.level) in kept
    ]
    return sorted(found, key=lambda life: life.recipe != DENSE)


def _layers(items: Sequence[Row], at: Row) -> list[str]:
    """Return the tensors of a place in network order."""
    return [row.item for row in items if (row.recipe, row.level) == (at.recipe, at.level)]
