"""Images won and lost per network: bars above and below zero over sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prunescope.reporting.charts import layers
from prunescope.reporting.charts.axis import Range, position, sparsity_axis
from prunescope.reporting.charts.palette import BROKEN, KEPT
from prunescope.reporting.charts.theme import Theme
from prunescope.reporting.reading import Row

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

FIELDS = ("at", "sparsity"), ("side", "side"), ("text", "images"), ("interval", "95 % interval"), ("floor", "floor")


def draw(won: Sequence[Row], lost: Sequence[Row], theme: Theme) -> Drawing:
    """Return the bars of the recipe that the signal ``shown`` names, with intervals."""
    import altair as alt

    data = [_datum(row, "won", 1) for row in won] + [_datum(row, "lost", -1) for row in lost]
    x = sparsity_axis([row.sparsity for row in (*won, *lost)], room=0.06)
    drawn = [sign * v for sign, rows in ((1, won), (-1, lost)) for row in rows for v in (row.number, row.high or 0.0)]
    y = Range.around(drawn).axis("images per network (symlog)", signed=False)
    base = layers.of(data).transform_filter("datum.recipe == shown").encode(x=x)
    sides = alt.Color("side:N", scale=alt.Scale(domain=["won", "lost"], range=[KEPT, BROKEN]), legend=None)
    size = theme.stretch
    zero = layers.of([{"y": 0}]).mark_rule(color=theme.ink, strokeWidth=size)
    parts = [
        base.mark_bar(size=16 * size).encode(y=y, color=sides, tooltip=layers.tips(FIELDS)),
        base.mark_rule(strokeWidth=1.4 * size, color=theme.ink).encode(y="low:Q", y2="high:Q"),
        zero.encode(y="y:Q"),
    ]
    for side, lift in (("won", -0.9), ("lost", 0.9)):
        name = layers.of([{"side": f"{side} {'↑' if side == 'won' else '↓'}", "y": 0.0}])
        text = name.mark_text(align="left", baseline="middle", dx=6 * size, dy=lift * theme.font)
        parts.append(text.encode(x=layers.right_end(), y="y:Q", text="side:N"))
    return layers.stack(parts, theme.height(300))


def _datum(row: Row, side: str, sign: int) -> dict[str, Any]:
    text, interval, floor, _ = row.shown()
    return {
        "recipe": row.recipe,
        "x": position(row.sparsity),
        "at": row.at,
        "side": side,
        "distance": sign * row.number,
        "low": sign * (row.number if row.low is None else row.low),
        "high": sign * (row.number if row.high is None else row.high),
        "text": text,
        "interval": interval or "none",
        "floor": floor or "none",
    }
