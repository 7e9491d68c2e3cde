"""Stages: one act each on a State; one file each. Importing this package registers them all."""

from prunescope.training.stages.freeze import Freeze
from prunescope.training.stages.gradual import Gradual
from prunescope.training.stages.normalize_rows import NormalizeRows
from prunescope.training.stages.online import Online
from prunescope.training.stages.propagate import Propagate
from prunescope.training.stages.prune import Prune
from prunescope.training.stages.recalibrate import Recalibrate
from prunescope.training.stages.regrow import Regrow, Regrowth, regrowth
from prunescope.training.stages.reinitialize import Reinitialize
from prunescope.training.stages.reset_optimizer import ResetOptimizer
from prunescope.training.stages.reweight import Reweight
from prunescope.training.stages.rewind import Rewind
from prunescope.training.stages.sampled import Sampled
from prunescope.training.stages.stage import STAGES, Apart, Context, Likeness, Share, Stage
from prunescope.training.stages.train import Train
from prunescope.training.stages.unfreeze import Unfreeze

__all__ = [
    "STAGES",
    "Apart",
    "Context",
    "Freeze",
    "Gradual",
    "Likeness",
    "NormalizeRows",
    "Online",
    "Propagate",
    "Prune",
    "Recalibrate",
    "Regrow",
    "Regrowth",
    "Reinitialize",
    "ResetOptimizer",
    "Reweight",
    "Rewind",
    "Sampled",
    "Share",
    "Stage",
    "Train",
    "Unfreeze",
    "regrowth",
]
