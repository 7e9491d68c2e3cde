"""Statistical mechanics of teacher and student networks: order parameters, generalisation error, pruning curves."""

from prunescope.theory.alignment import Alignment, align
from prunescope.theory.generalization import generalization_error, generalization_errors
from prunescope.theory.learning_dynamics import Trajectory, learning_dynamics
from prunescope.theory.order_parameters import (
    OrderParameters,
    magnitude_edges,
    mean_order_parameters,
    normalize_rows,
    order_parameters,
    random_edge_order_parameters,
    random_node_order_parameters,
)
from prunescope.theory.pruning_curves import NodeErrors, node_error, node_error_range, random_edge_error
from prunescope.theory.random_pruning import expected_edge_errors, expected_node_errors

__all__ = [
    "Alignment",
    "NodeErrors",
    "OrderParameters",
    "Trajectory",
    "align",
    "expected_edge_errors",
    "expected_node_errors",
    "generalization_error",
    "generalization_errors",
    "learning_dynamics",
    "magnitude_edges",
    "mean_order_parameters",
    "node_error",
    "node_error_range",
    "normalize_rows",
    "order_parameters",
    "random_edge_error",
    "random_edge_order_parameters",
    "random_node_order_parameters",
]
