"""Learning curves on logarithmic axes: what students did as points, what the equations say as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.palette import RECIPES
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.wording import number

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

HEIGHT = 320
FIELDS = (("student", "seed"), ("at", "samples / N"), ("text", "error"), ("expected", "equations"))


class Path(NamedTuple):
    """One student: times, its errors, and those of the equations, all positive ``[stops]``."""

    student: str
    time: NDArray[np.float64]
    errors: NDArray[np.float64]
    theory: NDArray[np.float64]


def draw(paths: Sequence[Path], theme: Theme) -> Drawing:
    """Return a line of theory and points of simulation for each student."""
    import altair as alt

    data = [
        {
            "student": path.student, "time": float(t), "error": float(e), "theory": float(s),
            "at": number(float(t)), "text": number(float(e)), "expected": number(float(s)),
        }
        for path in paths
        for t, e, s in zip(path.time, path.errors, path.theory, strict=True)
    ]  # fmt: skip
    x = alt.X("time:Q", title="samples / N", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(tickCount=6))
    log, tens = alt.Scale(type="log", nice=True), alt.Axis(tickCount=6, format=".0~e")
    title = "generalisation error (½Δ²)"
    y, expected = (alt.Y(f"{name}:Q", title=title, scale=log, axis=tens) for name in ("error", "theory"))
    base, size = layers.of(data).encode(x=x), theme.stretch
    line = base.mark_line(color=theme.ink, strokeWidth=1.2 * size, opacity=0.55)
    dot = base.mark_point(size=26 * size**2, filled=True, color=RECIPES[0], opacity=0.75)
    marks = [
        line.encode(y=expected, detail="student:N"),
        dot.encode(y=y, tooltip=layers.tips(FIELDS)),
    ]
    return layers.stack(marks, theme.height(HEIGHT))
