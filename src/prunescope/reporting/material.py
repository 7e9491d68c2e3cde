"""Material: everything the page tells, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.measures.table import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from prunescope.measures.verdict import Verdict

DENSE = "dense"

Place = tuple[str, str, str, str]
"""Where an array was measured: recipe, level, view, measure."""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Test images the page may show.

    Attributes:
        view: the view they belong to.
        images: uint8 ``[images, channels, height, width]`` with 1 or 3 channels.
        labels: true class of each image ``[images]``.
        classes: class names.
        examples: position of each image in the view ``[images]``; by default 0, 1, 2, …

    Raises:
        PrunescopeError: if the arrays do not fit together.
    """

    view: str
    images: NDArray[np.uint8]
    labels: NDArray[np.integer[Any]]
    classes: tuple[str, ...]
    examples: NDArray[np.integer[Any]] | None = None

    def __post_init__(self) -> None:
        """Check the shapes, number the images."""
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[1] not in (1, 3):
            raise PrunescopeError(
                "gallery images cannot be shown",
                expected="uint8 [images, 1 or 3 channels, height, width]",
                got=f"{self.images.dtype} {list(shape)}",
            )
        if self.examples is None:
            object.__setattr__(self, "examples", np.arange(shape[0]))
        if not len(self.positions) == len(self.labels) == shape[0]:
            raise PrunescopeError("gallery arrays differ in length", expected=shape[0], got=len(self.labels))
        if len(self.labels) and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            raise PrunescopeError("gallery labels have no class name", expected=f"0 … {len(self.classes) - 1}")

    @property
    def positions(self) -> NDArray[np.integer[Any]]:
        """Position of each image in the view."""
        assert self.examples is not None
        return self.examples


@dataclass(frozen=True, kw_only=True)
class Shifted:
    """A few images as a view shows them.

    Attributes:
        view: its name.
        images: uint8 ``[images, channels, height, width]``.
        departure: how the shift departs from what was published; empty where it does not.
    """

    view: str
    images: NDArray[np.uint8]
    departure: str = ""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A node that failed, with its traceback as text."""

    key: str
    node: str
    traceback: str


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything the page tells, as plain data: render it again and the same page comes out.

    Attributes:
        title: name of the study.
        question: what it asks, one sentence.
        recipes: name to human description, in the order they are told; the dense recipe is called ``dense``.
        controls: the recipes that are random controls, drawn in grey.
        dense_of: recipe to the dense recipe it is compared with; by default the one called ``dense``.
        table: tidy rows with the columns ``COLUMNS``; ``seed`` is missing for all networks together.
        verdict: which promises are kept up to which sparsity.
        default_budget: True if the study states no budget of its own.
        view: the view that the sections tell of; by default the first of the table.
        arrays: per-example results by (recipe, level, view, measure).
        gallery: images of the view.
        shifted: the same few images on every view.
        network, data, device, size: one line each.
        seeds: of the networks.
        wall_seconds: computing time of all nodes together, None if it is not known.
        study_file: the study as it was run.
        keys: node to its key.
        versions: package to its version.
        failures: nodes that failed.
        blocked: nodes that could not run because of a failure.
        notes: what the measures say a reader must know.

    Raises:
        PrunescopeError: if the table lacks a column.
    """

    title: str
    recipes: Mapping[str, str]
    table: pd.DataFrame
    question: str = ""
    controls: frozenset[str] = frozenset()
    dense_of: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    default_budget: bool = False
    view: str = ""
    arrays: Mapping[Place, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    gallery: Gallery | None = None
    shifted: tuple[Shifted, ...] = ()
    network: str = ""
    data: str = ""
    device: str = ""
    size: str = ""
    seeds: tuple[int, ...] = ()
    wall_seconds: float | None = None
    study_file: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    blocked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the columns."""
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise PrunescopeError("the table of results lacks columns", expected=list(COLUMNS), got=f"no {missing}")
