"""Inference: what one look of a network at a view leaves as evidence; one file for each kind."""

from prunescope.measures.inference.activations import Activations
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.measures.inference.logits import Logits

__all__ = ["INFERENCES", "Activations", "Inference", "Logits", "Seen"]
