"""What the page knows of shifted views: their names, potentials, drops, and the noise they add."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prunescope.reporting.reading import Reading, Row

_NOISE = re.compile(r"noise/(?P<name>\w+)/(?P<size>[0-9.e-]+)(?:/[^\[]*)?(?:\[\d+\])?")
_SUBSET = re.compile(r"\[\d+\]$")
TRAIN, TEST = "train distribution", "test distribution"


def called(view: str) -> str:
    """Return a view in words.

    Example:
        >>> called("corruption/gaussian_noise/3[2000]"), called("canonical/fog/3"), called("test")
        ('gaussian noise 3', 'fog 3 (canonical)', 'test')
    """
    parts = _SUBSET.sub("", view).split("/")
    if parts[0] not in ("corruption", "canonical", "noise"):
        return " ".join(parts)
    told = " ".join(parts[1:]).replace("_", " ")
    return f"{told} (canonical)" if parts[0] == "canonical" else told


def noise_size(view: str) -> tuple[str, float] | None:
    """Return the name and the size of a view's noise, None for other views.

    Example:
        >>> noise_size("noise/uniform_noise/0.1[1000]"), noise_size("test")
        (('uniform noise', 0.1), None)
    """
    found = _NOISE.fullmatch(view)
    return None if found is None else (found["name"].replace("_", " "), float(found["size"]))


class Shifts:
    """Potentials by recipe and view, the views of lowest potential first; drops by view and level."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.recipes = [name for name in reading.recipes if self.potentials(name)]

    def potentials(self, recipe: str) -> list[Row]:
        """Return the potential of each view without added noise, the lowest first."""
        return sorted(self._of(recipe, "potential", noisy=False), key=lambda row: (row.number, row.item))

    def noisy(self, recipe: str, quantity: str) -> list[tuple[float, Row]]:
        """Return (size of the noise, potential), the size rising; of the kind of noise named first."""
        found = [(noise_size(row.item), row) for row in self._of(recipe, quantity, noisy=True)]
        kinds = [size[0] for size, _ in found if size is not None]
        sized = [(size[1], row) for size, row in found if size is not None and size[0] == kinds[0]]
        return sorted(sized, key=lambda pair: pair[0])

    def group(self, recipe: str, quantity: str, name: str) -> Row | None:
        """Return mean or minimum of the potential over a distribution."""
        rows = self.reading.of("prune_potential", quantity, recipe=recipe, items=True)
        return next((row for row in rows if row.item == name), None)

    def certain(self, recipe: str, view: str) -> Row | None:
        """Return the potential of a view that the paired test is sure of."""
        rows = self.reading.of("prune_potential", "certain", recipe=recipe, items=True)
        return next((row for row in rows if row.item == view), None)

    def drops(self, recipe: str) -> Mapping[tuple[str, str], Row]:
        """Return the drop of accuracy by (view, level), of views without added noise."""
        return {
            (row.view, row.level): row
            for row in self.reading.rows
            if (row.measure, row.quantity, row.recipe) == ("accuracy", "drop", recipe)
            and row.seed is None
            and not row.item
            and row.value is not None
            and noise_size(row.view) is None
        }

    def _of(self, recipe: str, quantity: str, *, noisy: bool) -> list[Row]:
        rows = self.reading.of("prune_potential", quantity, recipe=recipe, items=True)
        return [row for row in rows if ", δ = " not in row.item and (noise_size(row.item) is not None) == noisy]
