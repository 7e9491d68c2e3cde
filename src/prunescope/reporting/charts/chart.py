"""Chart: a statement with a picture; its Vega-Lite specification, its SVG and its PDF."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from prunescope.reporting.charts.theme import FIGURE, STILL, Theme

if TYPE_CHECKING:
    from prunescope.reporting.charts.layers import Drawing

EDGE = {"left": 2, "top": 8, "right": 8, "bottom": 2}


class Choice(NamedTuple):
    """One part of the data that a chart can show: value of the signal ``shown``, label in the menu, statement."""

    value: str
    label: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart.

    Attributes:
        name: file name and identity on the page.
        description: what is drawn, for readers who cannot see it.
        draw: returns the Altair chart in a theme.
        note: what the signs mean, below the chart on the page.
        title: a statement; left out where choices have their own.
        choices: parts of the data of which one is drawn.
        chosen: value of the choice that stands there first.
    """

    name: str
    description: str
    draw: Callable[[Theme], Drawing]
    note: str = ""
    title: str = ""
    choices: tuple[Choice, ...] = ()
    chosen: str = ""

    @property
    def statement(self) -> str:
        """The title, or that of the choice that stands there first."""
        return next((choice.title for choice in self.choices if choice.value == self.chosen), self.title)

    def specification(self, theme: Theme, *, titled: bool = False) -> dict[str, Any]:
        """Return the Vega-Lite specification; its whole width is the theme's."""
        spec: dict[str, Any] = self.draw(theme).to_dict(validate=False)
        spec["width"] = theme.width
        spec["autosize"] = {"type": "fit", "contains": "padding"}
        spec["padding"] = EDGE
        spec["config"] = theme.config()
        spec["params"] = [{"name": "focus", "value": ""}, *spec.get("params", [])]
        if self.choices:
            spec["params"].append({"name": "shown", "value": self.chosen})
        if titled:
            spec["title"] = {"text": textwrap.wrap(self.statement, round(1.55 * theme.width / theme.font))}
        return spec

    def figure_svg(self) -> str:
        """Return the SVG of the figure for one column of a paper."""
        return svg(self.specification(FIGURE, titled=True))

    def figure_pdf(self) -> bytes:
        """Return the PDF of the figure for one column of a paper; one pixel is one point."""
        import vl_convert

        return bytes(vl_convert.svg_to_pdf(self.figure_svg()))


def svg(spec: dict[str, Any]) -> str:
    """Return the SVG of a specification."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def fluid(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the specification that takes the width of its place on the page."""
    return {**spec, "width": "container"}


def still(spec: dict[str, Any]) -> str:
    """Return the SVG that stands on the page until, and unless, scripts draw the chart."""
    return svg({**spec, "config": STILL.config()})
