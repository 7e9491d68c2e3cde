"""The training loop, stages and recipes."""

from prunescope.training.feed import Feed
from prunescope.training.loop import Callback, Epoch, train
from prunescope.training.objectives import OBJECTIVES
from prunescope.training.recipe import DENSE, Level, Recipe, parse_recipes
from prunescope.training.stages import STAGES, Context, Prune, Recalibrate, Rewind, Stage, Train

__all__ = [
    "DENSE",
    "OBJECTIVES",
    "STAGES",
    "Callback",
    "Context",
    "Epoch",
    "Feed",
    "Level",
    "Prune",
    "Recalibrate",
    "Recipe",
    "Rewind",
    "Stage",
    "Train",
    "parse_recipes",
    "train",
]
