"""Informative pixels: whether the pixels that one network needs are enough for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.statistics import bootstrap_interval
from prunescope.measures.backward_selection import confidences, keep_pixels, sufficient_pixels
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.inference import Inference, Pixels
from prunescope.measures.subject import Curve, Populations, Subject

Array = NDArray[np.float64]
DENSE, SEPARATE = "dense", "separate"
PICTURES = 8


def cross_confidence(
    nets: Sequence[nn.Module],
    inputs: Tensor,
    orders: Sequence[Tensor],
    labels: Tensor,
    kept: int,
    *,
    mask_value: float = 0.0,
) -> Array:
    """Return ``[giving, receiving, images]``: the confidence in the true class of one network on another's pixels.

    Args:
        nets: the receiving networks, in evaluation mode.
        inputs: ``[images, c, h, w]``, as the networks take them.
        orders: of each giving network, ``[images, pixels]``, the least needed pixel first.
        labels: true classes ``[images]``.
        kept: how many of the giving network's most needed pixels are shown; the others are masked.
        mask_value: what those become.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021, after Carter et al., AISTATS 2019.
    """
    shown = [keep_pixels(inputs, order, kept, mask_value=mask_value) for order in orders]
    return np.stack([[confidences(net, pixels, labels).numpy() for net in nets] for pixels in shown])


class _Found(NamedTuple):
    """What one seed's networks gave: ``confidence [names, names, images]``, ``needed [names, images]`` and pictures."""

    names: list[str]
    confidence: Array
    needed: NDArray[np.int64]
    orders: list[Tensor]
    images: Tensor


@MEASURES.register("informative_pixels")
class InformativePixels(Measure):
    """Cross matrix of informative pixels: the networks of one seed, and a separately trained one as yardstick.

    Each network orders the pixels of some images by backward selection on its confidence in what it predicts. The
    ``kept`` most needed ones are then shown to every network, and its mean confidence in the true class is reported
    (items ``A → B``: pixels of A, seen by B). Networks are ``dense``, the pruned ones by sparsity, and ``separate``,
    the dense network of the next seed. The first view without shift is used.

    Cost: by backward selection, for each network: images · d (d + 1) / 2 forward passes, or images · d / share.

    Attributes:
        images: how many, spread evenly over the view.
        algorithm: ``exact``, or ``rounds``, which is cheaper and another algorithm.
        share: of the remaining pixels that go in one round.
        mask_value: what a pixel becomes, as the network sees it: 0 is the mean of the normalised images.
        kept: share of the pixels shown to the others.
        threshold: of confidence that a sufficient set of pixels reaches.
    """

    images: Annotated[int, Field(ge=1)] = 20
    algorithm: Literal["exact", "rounds"] = "exact"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    mask_value: float = 0.0
    kept: Annotated[float, Field(gt=0, le=1)] = 0.1
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.9

    card: ClassVar[Card] = Card(
        title="Informative pixels",
        scope="curve",
        evidence=frozenset({"pixels", "state", "images"}),
        quantities={
            "confidence": Quantity(
                unit="share",
                better="higher",
                range=(0, 1),
                meaning="mean confidence in the true class of B on the most needed pixels of A, items A → B",
            ),
            "sufficient": Quantity(
                unit="share",
                better="neither",
                range=(0, 1),
                meaning="share of the pixels that suffices for the threshold, mean over the images that reach it",
            ),
            "never": Quantity(
                unit="count", better="lower", range=(0, None), meaning="images on which no set of pixels reaches it"
            ),
        },
        ties="pixels with equal confidence, to 1e-6: lower ones are kept longer",
        source="Liebenwein et al., Lost in Pruning, MLSys 2021; Carter et al., AISTATS 2019",
    )

    def inference(self, kind: str) -> Inference:
        """Return backward selection with these options."""
        options = {name: getattr(self, name) for name in Pixels.model_fields}
        return Pixels(**options)

    def __call__(self, shown: Curve) -> Measurement:
        """Return the matrix, sufficient pixels by network, and pictures of the first seed."""
        levels = next(iter(shown.views.values()))
        sparsities = [np.mean([subject.state.mask.sparsity for subject in level.pruned]) for level in levels]
        names = [DENSE, *(f"{sparsity:.4g}" for sparsity in sparsities)]
        found = [self._of_seed(levels, names, i) for i in range(len(levels[0].dense))]
        values = self._matrix(found) + self._sufficiency(found)
        first = found[0]
        arrays = {
            "images": first.images[:PICTURES].numpy(),
            "orders": torch.stack([order[:PICTURES] for order in first.orders]).to(torch.int16).numpy(),
            "kept": np.array([self._kept(first.orders[0].shape[1])]),
        }
        told = ", ".join(first.names)
        note = f"{self.algorithm} backward selection on {first.confidence.shape[2]} images, networks {told}"
        return Measurement(values=tuple(values), arrays=arrays, notes=(note,))

    def _of_seed(self, levels: Sequence[Populations], names: list[str], seed: int) -> _Found:
        dense = levels[0].dense
        subjects = [dense[seed], *(level.pruned[seed] for level in levels)]
        if len(dense) > 1:
            subjects, names = [*subjects, dense[(seed + 1) % len(dense)]], [*names, SEPARATE]
        evidence = [subject.evidence("pixels") for subject in subjects]
        images = subjects[0].images[evidence[0]["places"]]
        orders = [kind["order"] for kind in evidence]
        table = cross_confidence(
            _networks(subjects),
            subjects[0].normalization(images),
            orders,
            evidence[0]["labels"],
            self._kept(orders[0].shape[1]),
            mask_value=self.mask_value,
        )
        needed = [sufficient_pixels(kind["confidence"], self.threshold).numpy() for kind in evidence]
        return _Found(names, table, np.stack(needed), orders, images)

    def _kept(self, pixels: int) -> int:
        return max(1, round(self.kept * pixels))

    def _matrix(self, found: list[_Found]) -> list[Value]:
        tables, names = np.stack([one.confidence for one in found]), found[0].names
        values = []
        for a, giving in enumerate(names):
            for b, receiving in enumerate(names):
                cell = tables[:, a, b]
                interval, item = bootstrap_interval(cell), f"{giving} → {receiving}"
                values.append(Value.of("confidence", float(cell.mean()), cell.size, interval=interval, item=item))
        return values

    def _sufficiency(self, found: list[_Found]) -> list[Value]:
        values, pixels = [], found[0].orders[0].shape[1]
        for place, name in enumerate(found[0].names):
            needed = np.concatenate([one.needed[place] for one in found])
            reached = needed[needed >= 0]
            if reached.size:
                mean = float(reached.mean()) / pixels
                values.append(Value.of("sufficient", mean, reached.size, item=name))
            values.append(Value.of("never", float((needed < 0).sum()), needed.size, item=name))
        return values


def _networks(subjects: Sequence[Subject]) -> list[nn.Module]:
    return [subject.network() for subject in subjects]
