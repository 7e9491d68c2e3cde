"""The training loop, stages and recipes."""

from prunescope.training.feed import Feed
from prunescope.training.lars import Lars
from prunescope.training.loop import Beside, Callback, train
from prunescope.training.objectives import OBJECTIVES
from prunescope.training.population import train_together
from prunescope.training.recipe import DENSE, Level, Recipe, parse_recipes
from prunescope.training.running import Epoch
from prunescope.training.stages import (
    STAGES,
    Context,
    Freeze,
    Gradual,
    NormalizeRows,
    Online,
    Prune,
    Recalibrate,
    Regrow,
    Regrowth,
    Reinitialize,
    ResetOptimizer,
    Reweight,
    Rewind,
    Sampled,
    Stage,
    Train,
    Unfreeze,
    regrowth,
)

__all__ = [
    "DENSE",
    "OBJECTIVES",
    "STAGES",
    "Beside",
    "Callback",
    "Context",
    "Epoch",
    "Feed",
    "Freeze",
    "Gradual",
    "Lars",
    "Level",
    "NormalizeRows",
    "Online",
    "Prune",
    "Recalibrate",
    "Recipe",
    "Regrow",
    "Regrowth",
    "Reinitialize",
    "ResetOptimizer",
    "Reweight",
    "Rewind",
    "Sampled",
    "Stage",
    "Train",
    "Unfreeze",
    "parse_recipes",
    "regrowth",
    "train",
    "train_together",
]
