"""Prediction depth: from which layer on an example's neighbours already agree with the network's answer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.groups import forgotten, group_means, mean_share, separated
from prunescope.measures.inference import Inference, Probes
from prunescope.measures.inference.probes import ProbeLayers
from prunescope.measures.subject import Populations, Subject

Labels = NDArray[np.int64]


def prediction_depth(probe_predictions: ArrayLike, final: ArrayLike) -> Labels:
    r"""Return how many probes an example passes before all further ones agree with ``final``.

    $d_i = 0$ if no probe disagrees, else $1 + \max \{ l : \hat y_{li} \ne \hat y_i \}$ over the probes $l = 0, 1, …$;
    so 0 is never wrong, 1 is wrong at the first probe only, and the number of probes is wrong at the last.

    Args:
        probe_predictions: classes ``[probes, examples]``, input first.
        final: the network's own predictions ``[examples]`` (or true labels, which ask another question).

    Returns:
        int ``[examples]``, 0 … probes.

    Raises:
        PrunescopeError: for arrays that do not fit, no probe, or classes that are no whole numbers.

    Source: Baldock, Maennel and Neyshabur, Deep Learning Through the Lens of Example Difficulty, NeurIPS 2021.

    Example:
        >>> prediction_depth([[1, 0, 1], [1, 1, 1], [1, 1, 0]], [1, 1, 1]).tolist()
        [0, 1, 3]
    """
    probes, answers = np.asarray(probe_predictions), np.asarray(final)
    if probes.ndim != 2 or not len(probes) or probes.dtype.kind not in "iu" or answers.dtype.kind not in "iu":
        got = f"{probes.dtype} {list(probes.shape)} and {answers.dtype}"
        raise PrunescopeError("not predictions", expected="whole numbers [probes, examples]", got=got, where="depth")
    if answers.shape != probes.shape[1:]:
        raise PrunescopeError("answers do not fit the probes", expected=probes.shape[1:], got=answers.shape)
    wrong = probes != answers
    places = np.arange(1, len(probes) + 1)[:, None]
    return np.asarray((wrong * places).max(axis=0), dtype=np.int64)


@MEASURES.register("prediction_depth")
class PredictionDepth(Measure):
    """Prediction depth of each example in each network, of PIEs and of the others, dense and pruned.

    A probe is a k-nearest-neighbour vote among the training images, without augmentation, in the space of one layer;
    input and logits are probes too. ``never_wrong`` is the share of examples on which no probe disagrees. ``auc`` says
    how well a large depth in the dense networks tells which examples pruning forgets (½: not at all).

    Attributes:
        k: neighbours that vote, the same in all layers.
        layers: the probes between input and logits, see the inference ``probes``.
        target: ``prediction``, the network's own final prediction, or ``label``, the true one: then what is
            misclassified is deep by construction.
    """

    card: ClassVar[Card] = Card(
        title="Prediction depth",
        scope="populations",
        evidence=frozenset({"logits", "probes"}),
        quantities={
            **{
                f"{side}_{name}": Quantity(
                    unit=unit, better="neither", range=span, meaning=f"{meaning} {side} networks"
                )
                for side in ("dense", "pruned")
                for name, unit, span, meaning in (
                    ("depth", "probes", (0, None), "mean prediction depth in the"),
                    ("never_wrong", "share", (0, 1), "share of examples on which no probe disagrees with the"),
                )
            },
            "auc": Quantity(
                unit="share",
                better="neither",
                range=(0, 1),
                meaning="chance that a PIE is deeper in the dense networks than another example",
            ),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        ties="a tied vote of neighbours goes to the nearer class; the vote of a population as in pie",
        source="Baldock et al., Deep Learning Through the Lens of Example Difficulty, NeurIPS 2021",
    )

    k: Annotated[int, Field(ge=1)] = 30
    layers: ProbeLayers = "blocks"
    target: Literal["prediction", "label"] = "prediction"

    def inference(self, kind: str) -> Inference:
        """Return the probes with this k and these layers."""
        return Probes(k=self.k, layers=self.layers) if kind == "probes" else super().inference(kind)

    def __call__(self, shown: Populations) -> Measurement:
        """Return the means by group, and the mean and all depths of each example as arrays."""
        flags = forgotten(shown) if len(shown.dense) > 1 else np.zeros(len(shown.labels), dtype=bool)
        values: list[Value] = []
        arrays: dict[str, NDArray[np.generic]] = {"pie": flags}
        for side, subjects in (("dense", shown.dense), ("pruned", shown.pruned)):
            depths = np.stack([self._depths(subject) for subject in subjects])
            values += group_means(f"{side}_depth", depths, flags)
            values.append(mean_share(f"{side}_never_wrong", depths == 0))
            arrays |= {f"{side}_depth": depths.mean(axis=0), f"{side}_depths": depths.astype(np.uint8)}
            if side == "dense":
                values += separated("auc", depths, flags)
        arrays["probes"] = np.array(len(next(iter(shown.dense)).evidence("probes")))
        return Measurement(values=tuple(values), arrays=arrays, notes=self._notes(shown))

    def _depths(self, subject: Subject) -> Labels:
        probes = np.stack([votes.numpy() for votes in subject.evidence("probes").values()])
        final = subject.predictions if self.target == "prediction" else subject.labels
        return prediction_depth(probes.astype(np.int64), final.numpy())

    def _notes(self, shown: Populations) -> tuple[str, ...]:
        names = ", ".join(shown.dense[0].evidence("probes"))
        against = "the network's own final prediction" if self.target == "prediction" else "the true label"
        return (f"probes: {names}; {self.k} neighbours; against {against}",)
