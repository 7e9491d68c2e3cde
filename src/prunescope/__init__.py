"""How far can a network be pruned before something that matters breaks, and what breaks first?"""

__version__ = "0.1.0"

from prunescope import measures, similarity, theory
from prunescope.core.errors import PrunescopeError
from prunescope.data import shifts
from prunescope.pruning import Mask, dpp, prune
from prunescope.study import audit, load_study, report, results, run

__all__ = [
    "Mask",
    "PrunescopeError",
    "audit",
    "dpp",
    "load_study",
    "measures",
    "prune",
    "report",
    "results",
    "run",
    "shifts",
    "similarity",
    "theory",
]
