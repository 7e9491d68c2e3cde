"""One file for each criterion; importing this package registers them all."""

from prunescope.pruning.criteria.magnitude import Magnitude
from prunescope.pruning.criteria.random import Random

__all__ = ["Magnitude", "Random"]
