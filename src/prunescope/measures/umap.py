"""A map of the latents: how well classes stay apart in two dimensions, dense and pruned."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import share_interval
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.neighbours import nearest_neighbours
from prunescope.measures.subject import Populations, Subject

Array = NDArray[np.float64]
Method = Literal["auto", "umap", "pca"]


def embed(latents: ArrayLike, *, method: Method = "auto", neighbours: int = 15, seed: int = 0) -> Array:
    """Return latents ``[examples, features]`` in two dimensions, ``[examples, 2]``.

    ``umap`` (UMAP with minimal distance 0.1, seeded; the extra ``umap``), ``pca`` (the first two principal components,
    the largest weight of each positive), or ``auto``: UMAP where it is installed.

    Raises:
        PrunescopeError: for UMAP where it is not installed, no more examples than neighbours, or other shapes.

    Source: McInnes, Healy and Melville, UMAP, arXiv 1802.03426 (2018).

    Example:
        >>> embed(np.diag([3.0, 2.0, 1.0, 0.0]), method="pca", neighbours=2).shape
        (4, 2)
    """
    h = np.asarray(latents, dtype=np.float64)
    if h.ndim != 2 or not np.isfinite(h).all():
        raise PrunescopeError("not latents", expected="finite [examples, features]", got=list(h.shape), where="umap")
    if len(h) <= neighbours:
        raise PrunescopeError("too few examples to embed", expected=f"> {neighbours}", got=len(h), where="umap")
    if method == "pca" or (method == "auto" and not installed()):
        return _principal(h)
    if not installed():
        raise PrunescopeError("umap-learn is not installed", remedy="pip install prunescope[umap], or method pca")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # of what it can do with TensorFlow
        import umap  # heavy, and an extra

    found: Any = umap.UMAP(n_neighbors=neighbours, min_dist=0.1, random_state=seed, n_jobs=1).fit_transform(h)
    return np.asarray(found, dtype=np.float64)


def installed() -> bool:
    """Return whether UMAP can be used."""
    return find_spec("umap") is not None


def _principal(h: Array) -> Array:
    centred = h - h.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))[:, 0]
    scores = left * sizes * np.where(signs == 0, 1, signs)
    return np.asarray(np.pad(scores[:, :2], ((0, 0), (0, max(0, 2 - scores.shape[1])))))


def purity(points: ArrayLike, labels: ArrayLike, neighbours: int = 15) -> Array:
    """Return the share of each point's nearest neighbours, itself left out, that have its class, ``[examples]``."""
    table, classes = np.asarray(points, dtype=np.float64), np.asarray(labels)
    near = nearest_neighbours(table, table, neighbours + 1).without(np.arange(len(table)))
    return np.asarray((classes[near.indices] == classes[:, None]).mean(axis=1))


@MEASURES.register("umap")
class Umap(Measure):
    """Two-dimensional map of the latents of one network, dense and pruned, and how pure its neighbourhoods are.

    Purity is the share of the 15 nearest points of the map that have a point's class: 1 where classes stand apart,
    the sum of squared class shares where they are mixed. One network is shown, that of the first seed, because latents
    of different networks have no common axes. Every network's map of the same examples is drawn from one seed.

    Attributes:
        method: ``umap``, ``pca``, or ``auto`` for UMAP where it is installed.
        examples: at most so many, drawn once.
        neighbours: that UMAP looks at, and purity counts.
        seed: of the draw and of UMAP.
    """

    card: ClassVar[Card] = Card(
        title="Map of the latents",
        scope="populations",
        evidence=frozenset({"logits", "latents"}),
        quantities={
            f"{side}_purity": Quantity(
                unit="share",
                better="neither",
                range=(0, 1),
                meaning=f"share of neighbours of the same class in the map of the {side} network",
            )
            for side in ("dense", "pruned")
        },
        source="McInnes et al., UMAP: Uniform Manifold Approximation and Projection, arXiv 1802.03426 (2018)",
    )

    method: Method = "auto"
    examples: Annotated[int, Field(ge=2)] = 1000
    neighbours: Annotated[int, Field(ge=1)] = 15
    seed: Annotated[int, Field(ge=0)] = 0

    def __call__(self, shown: Populations) -> Measurement:
        """Return the purities, and the maps with the examples in them as arrays."""
        total = len(shown.labels)
        chosen = np.arange(total)
        if total > self.examples:
            chosen = np.sort(np.random.default_rng(self.seed).choice(total, self.examples, replace=False))
        if len(chosen) <= self.neighbours:
            return Measurement.not_applicable(f"a map needs more than {self.neighbours} examples")
        values, arrays = [], {"examples": chosen}
        for side, subject in (("dense", shown.dense[0]), ("pruned", shown.pruned[0])):
            points = self._points(subject, chosen)
            pure = purity(points, shown.labels[chosen], self.neighbours)
            low, high = share_interval(pure)
            mean = float(pure.mean())
            interval = (min(low, mean), max(high, mean))
            values.append(Value.of(f"{side}_purity", mean, len(pure), interval=interval))
            arrays[f"{side}_map"] = points.astype(np.float32)
        used = "umap" if self.method == "umap" or (self.method == "auto" and installed()) else "principal components"
        return Measurement(values=tuple(values), arrays=arrays, notes=(f"the map is drawn by {used}",))

    def _points(self, subject: Subject, chosen: NDArray[np.intp]) -> Array:
        latents = subject.evidence("latents")["latents"].numpy()[chosen]
        return embed(latents, method=self.method, neighbours=self.neighbours, seed=self.seed)
