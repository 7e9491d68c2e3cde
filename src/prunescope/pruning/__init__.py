"""Masks, budgets, criteria and states."""

from prunescope.pruning.budget import Budget, select_top
from prunescope.pruning.criteria import Magnitude, Random
from prunescope.pruning.criterion import CRITERIA, Criterion, Evidence, choose
from prunescope.pruning.mask import Mask, prunable
from prunescope.pruning.prune import prune
from prunescope.pruning.shrink import shrink
from prunescope.pruning.state import State

__all__ = [
    "CRITERIA",
    "Budget",
    "Criterion",
    "Evidence",
    "Magnitude",
    "Mask",
    "Random",
    "State",
    "choose",
    "prunable",
    "prune",
    "select_top",
    "shrink",
]
