"""Inference: what one look of a network at a view leaves as evidence; one file for each kind."""

from prunescope.measures.inference.activations import Activations
from prunescope.measures.inference.draws import Draws
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.measures.inference.latency import Timing
from prunescope.measures.inference.latents import Latents
from prunescope.measures.inference.logits import Logits
from prunescope.measures.inference.pixels import Pixels
from prunescope.measures.inference.probes import Probes

__all__ = [
    "INFERENCES",
    "Activations",
    "Draws",
    "Inference",
    "Latents",
    "Logits",
    "Pixels",
    "Probes",
    "Seen",
    "Timing",
]
