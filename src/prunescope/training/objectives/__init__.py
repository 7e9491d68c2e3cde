"""One file for each training objective; importing this package registers them all."""

from prunescope.training.objectives.cross_entropy import CrossEntropy
from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective
from prunescope.training.objectives.softmax_cross_entropy import SoftmaxCrossEntropy
from prunescope.training.objectives.squared_error import SquaredError
from prunescope.training.objectives.supcon import SupCon

__all__ = ["OBJECTIVES", "Batch", "CrossEntropy", "Objective", "SoftmaxCrossEntropy", "SquaredError", "SupCon"]
