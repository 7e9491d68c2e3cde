"""Share of weights kept by layer and sparsity, as a table of small bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.palette import CONTROL
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.reading import Row
from prunescope.reporting.wording import measured

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

FIELDS = ("item", "layer"), ("at", "sparsity"), ("text", "kept"), ("n", "weights")
MOST_TEXTS = 7  # columns beyond which a bar has no room for its number
WIDTH = 0.92  # of a column that a full bar takes


def draw(rows: Sequence[Row], names: Sequence[str], theme: Theme) -> Drawing:
    """Return the bars of the recipe that the signal ``shown`` names: one row per layer, one column per sparsity.

    Args:
        rows: sparsity by layer.
        names: layers in network order.
        theme: size and ink.
    """
    import altair as alt

    columns = {round(row.sparsity, 6): row.at for row in sorted(rows, key=lambda row: row.sparsity)}
    heads = ", ".join(f"'{head}'" for head in columns.values())
    axis = alt.Axis(
        values=[i + WIDTH / 2 for i in range(len(columns))],
        labelExpr=f"[{heads}][floor(datum.value)]",
        labelOverlap="greedy",
        orient="top",
        grid=False,
        ticks=False,
        domain=False,
    )
    scale = alt.Scale(domain=[0, len(columns)], nice=False)
    x = alt.X("left:Q", scale=scale, axis=axis, title="share kept, by sparsity")
    y = alt.Y("item:N", sort=list(names), title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
    data = [_datum(row, list(columns)) for row in rows if row.item in names]
    base = layers.of(data).transform_filter("datum.recipe == shown").encode(y=y)
    thick = {"band": 0.74}
    track = base.mark_bar(color=theme.ink, opacity=0.07, height=thick)
    text = base.mark_text(align="left", dx=3 * theme.stretch, fontSize=0.88 * theme.font)
    crowded = len(columns) > MOST_TEXTS
    parts = [
        track.encode(x=x, x2="right:Q", tooltip=layers.tips(FIELDS)),
        base.mark_bar(color=CONTROL, opacity=0.55, height=thick).encode(x="left:Q", x2="end:Q"),
        *([] if crowded else [text.encode(x="left:Q", text="text:N")]),
    ]
    return layers.stack(parts, theme.height((20 if crowded else 28) * len(names) + 80))


def _datum(row: Row, columns: Sequence[float]) -> dict[str, Any]:
    left, kept = columns.index(round(row.sparsity, 6)), 1 - row.number
    return {
        "recipe": row.recipe,
        "item": row.item,
        "at": row.at,
        "left": left,
        "right": left + WIDTH,
        "end": left + WIDTH * kept,
        "text": measured(kept, "share")[0],
        "n": row.n,
    }
