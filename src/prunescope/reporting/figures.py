"""Figures: the charts of the page as SVG and PDF for one column of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prunescope.core.errors import unknown_name
from prunescope.reporting.material import Material
from prunescope.reporting.page import charts_of, tell_sections
from prunescope.reporting.reading import Reading

FORMATS = ("svg", "pdf")


def write_figures(material: Material, folder: str | Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write every chart of the page, 252 points (3.5 inches) wide, and return the files.

    Raises:
        PrunescopeError: for a format other than ``svg`` and ``pdf``.
    """
    for wanted in formats:
        if wanted not in FORMATS:
            raise unknown_name("figure format", wanted, FORMATS)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in charts_of(tell_sections(Reading(material))):
        for wanted in formats:
            content = chart.figure_svg().encode() if wanted == "svg" else chart.figure_pdf()
            path = place / f"{chart.name}.{wanted}"
            path.write_bytes(content)
            written.append(path)
    return written
