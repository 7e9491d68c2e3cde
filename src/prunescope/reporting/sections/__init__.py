"""The sections of the page, in telling order; a new section is one file and one line here."""

from prunescope.reporting.section import Section
from prunescope.reporting.sections import (
    accuracy,
    agreement,
    calibration,
    classes,
    cost,
    depth,
    forgotten,
    history,
    noise,
    pixels,
    representation,
    robustness,
    theory,
)

SECTIONS: tuple[Section, ...] = (
    accuracy.SECTION,
    history.SECTION,
    classes.SECTION,
    forgotten.SECTION,
    robustness.SECTION,
    agreement.SECTION,
    noise.SECTION,
    pixels.SECTION,
    calibration.SECTION,
    representation.SECTION,
    depth.SECTION,
    theory.SECTION,
    cost.SECTION,
)
