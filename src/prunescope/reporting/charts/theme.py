"""Sizes, type and ink of charts: on the page they follow the reader's colours, as figures they are black on white."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif'


@dataclass(frozen=True, kw_only=True)
class Theme:
    """How large and in which ink charts are drawn.

    Attributes:
        width: total width in pixels (points in a figure).
        font: size of the axis labels in pixels.
        ink: colour of axes and text.
        family: font family.
        stretch: scale of heights and strokes relative to the page.
    """

    width: int
    font: float
    ink: str
    family: str
    stretch: float

    def height(self, pixels: float) -> int:
        """Return a page height in this theme."""
        return round(pixels * self.stretch)

    def config(self) -> dict[str, Any]:
        """Return the Vega-Lite configuration."""
        axis = {
            "labelColor": self.ink, "titleColor": self.ink, "labelFontSize": self.font, "titleFontSize": self.font,
            "titleFontWeight": "normal", "labelFont": self.family, "titleFont": self.family, "titlePadding": 6,
            "domainColor": self.ink, "domainOpacity": 0.45, "tickColor": self.ink, "tickOpacity": 0.45, "tickSize": 4,
            "gridColor": self.ink, "gridOpacity": 0.13, "labelPadding": 4, "labelLimit": 11 * self.font,
        }  # fmt: skip
        title = {"color": self.ink, "font": self.family, "fontSize": self.font * 1.15, "fontWeight": "bold"}
        return {
            "background": None,
            "view": {"stroke": None},
            "axis": axis,
            "text": {"color": self.ink, "fontSize": self.font, "font": self.family},
            "title": {**title, "anchor": "start", "frame": "bounds", "offset": 8, "limit": 0},
            "aria": False,
        }


METRIC = "Arial, Liberation Sans, Helvetica, sans-serif"  # one set of widths wherever the drawing is looked at

PAGE = Theme(width=480, font=13, ink="currentColor", family=FONT, stretch=1.0)
STILL = replace(PAGE, family=METRIC)
FIGURE = Theme(width=252, font=7.5, ink="#000000", family=METRIC, stretch=0.58)
