"""One file for each criterion; importing this package registers them all."""

from prunescope.pruning.criteria.dpp_edge import DppEdge
from prunescope.pruning.criteria.dpp_node import DppNode
from prunescope.pruning.criteria.filter_norm import FilterNorm
from prunescope.pruning.criteria.importance_edge import ImportanceEdge
from prunescope.pruning.criteria.importance_node import ImportanceNode
from prunescope.pruning.criteria.magnitude import Magnitude
from prunescope.pruning.criteria.pfp import Pfp
from prunescope.pruning.criteria.random import Random
from prunescope.pruning.criteria.random_edge import RandomEdge
from prunescope.pruning.criteria.random_filter import RandomFilter
from prunescope.pruning.criteria.random_node import RandomNode
from prunescope.pruning.criteria.shuffled import Shuffled
from prunescope.pruning.criteria.sipp import Sipp
from prunescope.pruning.criteria.sipp_random import SippRandom
from prunescope.pruning.criteria.snip import Snip
from prunescope.pruning.criteria.thinet import ThiNet

__all__ = [
    "DppEdge",
    "DppNode",
    "FilterNorm",
    "ImportanceEdge",
    "ImportanceNode",
    "Magnitude",
    "Pfp",
    "Random",
    "RandomEdge",
    "RandomFilter",
    "RandomNode",
    "Shuffled",
    "Sipp",
    "SippRandom",
    "Snip",
    "ThiNet",
]
