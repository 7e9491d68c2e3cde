"""One file for each measure; what a measure is shown, promises and returns; tidy rows and the verdict on them.

The functions are bound here after their modules, so that ``prunescope.measures.pie`` is the function.
"""

from prunescope.measures.accuracy import Accuracy, recalls, worst_class_drop
from prunescope.measures.agreement import Agreement, separate_agreement, separate_losses
from prunescope.measures.backward_selection import (
    backward_selection,
    backward_selection_in_rounds,
    keep_pixels,
    sufficient_pixels,
)
from prunescope.measures.calibration import Calibration, expected_calibration_error
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.compression import Compression, Counts, compression
from prunescope.measures.excess_error import ExcessErrors, excess_error
from prunescope.measures.gradients import Gradients
from prunescope.measures.history import History
from prunescope.measures.informative_pixels import InformativePixels, cross_confidence
from prunescope.measures.latency import Latency
from prunescope.measures.learning_curve import LearningCurve
from prunescope.measures.multiply_adds import multiply_adds
from prunescope.measures.neighbours import Neighbours, knn_predictions, nearest_neighbours
from prunescope.measures.noise_similarity import NoiseSimilarities, noise_similarity
from prunescope.measures.order_parameters import OrderParametersOfStudents
from prunescope.measures.overlap import Overlap, common_and_unique, jaccard
from prunescope.measures.pie import Pie, dense_floor, pie
from prunescope.measures.prediction_depth import PredictionDepth, prediction_depth
from prunescope.measures.promise import DEFAULT_BUDGET, Promise, parse_budget
from prunescope.measures.prune_potential import PrunePotential, prune_potential
from prunescope.measures.q_score import QScore, Quality, latent_quality, q_score
from prunescope.measures.representation import Cca, Cka, Nbs, Pwcca, Svcca, layer_values
from prunescope.measures.shrinking import Footprint, Shrinking, footprint, latencies
from prunescope.measures.subject import Curve, Pair, Populations, Recipes, Subject, stacked_predictions
from prunescope.measures.table import COLUMNS, tidy
from prunescope.measures.umap import Umap, embed, purity
from prunescope.measures.verdict import Cell, RecipeVerdict, Verdict, judge
from prunescope.measures.votes import Modal, modal_labels

__all__ = [
    "COLUMNS",
    "DEFAULT_BUDGET",
    "MEASURES",
    "Accuracy",
    "Agreement",
    "Calibration",
    "Card",
    "Cca",
    "Cell",
    "Cka",
    "Compression",
    "Counts",
    "Curve",
    "ExcessErrors",
    "Footprint",
    "Gradients",
    "History",
    "InformativePixels",
    "Latency",
    "LearningCurve",
    "Measure",
    "Measurement",
    "Modal",
    "Nbs",
    "Neighbours",
    "NoiseSimilarities",
    "OrderParametersOfStudents",
    "Overlap",
    "Pair",
    "Pie",
    "Populations",
    "PredictionDepth",
    "Promise",
    "PrunePotential",
    "Pwcca",
    "QScore",
    "Quality",
    "Quantity",
    "RecipeVerdict",
    "Recipes",
    "Shrinking",
    "Subject",
    "Svcca",
    "Umap",
    "Value",
    "Verdict",
    "backward_selection",
    "backward_selection_in_rounds",
    "common_and_unique",
    "compression",
    "cross_confidence",
    "dense_floor",
    "embed",
    "excess_error",
    "expected_calibration_error",
    "footprint",
    "jaccard",
    "judge",
    "keep_pixels",
    "knn_predictions",
    "latencies",
    "latent_quality",
    "layer_values",
    "modal_labels",
    "multiply_adds",
    "nearest_neighbours",
    "noise_similarity",
    "parse_budget",
    "pie",
    "prediction_depth",
    "prune_potential",
    "purity",
    "q_score",
    "recalls",
    "separate_agreement",
    "separate_losses",
    "stacked_predictions",
    "sufficient_pixels",
    "tidy",
    "worst_class_drop",
]
