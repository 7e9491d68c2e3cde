"""One file for each training objective; importing this package registers them all."""

from prunescope.training.objectives.cross_entropy import CrossEntropy
from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective

__all__ = ["OBJECTIVES", "Batch", "CrossEntropy", "Objective"]
