"""The page people look at, and the figures: made from results alone."""

from prunescope.reporting.figures import write_figures
from prunescope.reporting.material import Failure, Gallery, Material, Shifted
from prunescope.reporting.page import render

__all__ = ["Failure", "Gallery", "Material", "Shifted", "render", "write_figures"]
