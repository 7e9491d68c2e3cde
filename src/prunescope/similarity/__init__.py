"""Similarity of representations: functions on matrices of examples by features, numpy or torch, on any device."""

from prunescope.similarity.cca import CCAResult, cca, mean_cca, pwcca, svcca
from prunescope.similarity.cka import cka, cka_from_kernels
from prunescope.similarity.convolution import as_matrix
from prunescope.similarity.family import SmallSampleWarning
from prunescope.similarity.grid import LayerFacts, layer_facts, layer_grid, permutation_floor
from prunescope.similarity.moments import Moments
from prunescope.similarity.nbs import nbs, nbs_from_kernels
from prunescope.similarity.procrustes import procrustes_distance

__all__ = [
    "CCAResult",
    "LayerFacts",
    "Moments",
    "SmallSampleWarning",
    "as_matrix",
    "cca",
    "cka",
    "cka_from_kernels",
    "layer_facts",
    "layer_grid",
    "mean_cca",
    "nbs",
    "nbs_from_kernels",
    "permutation_floor",
    "procrustes_distance",
    "pwcca",
    "svcca",
]
