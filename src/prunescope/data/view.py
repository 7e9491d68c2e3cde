"""View: data as a measure sees them; and the validation part of the training split."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from pydantic import Field, model_validator

from prunescope.core.config import Config, validate
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data.dataset import SOURCES, Dataset
from prunescope.data.shifts.shift import SHIFTS, Shift
from prunescope.data.sources.canonical import Canonical, read_canonical
from prunescope.data.subset import stratified_subset

SplitName = Literal["train", "validation", "test"]

CANONICAL = "canonical/"
_TEXT = re.compile(r"(?P<body>.*?)(?:\[(?P<subset>\d+)\])?", re.DOTALL)


class View(Config):
    """A split, a shift of its images, and how many of them; the source comes from the study.

    Written in full, or as a text: ``test``, ``validation[1000]``, ``corruption/gaussian_noise/3`` (a shift of the
    test split, with the value of its first option), ``noise/uniform_noise/0.1``,
    ``train/corruption/fog/2[500]`` (of another split). Shifts with a severity are corruptions, the others noise.
    ``canonical/fog/3=FOLDER`` reads the published file of CIFAR-10-C, ``canonical/cifar10_1/v6=FOLDER`` CIFAR-10.1:
    what is called canonical was published, what is called corruption is generated here.

    Attributes:
        split: ``validation`` is the part of ``train`` that :func:`split_validation` holds back.
        shift: of the images, or None.
        subset: number of examples, or None for all.
        files: a published test set that stands in for the test split, or None.

    Example:
        >>> View.parse({"split": "validation", "subset": 1000}).name
        'validation[1000]'
    """

    split: SplitName = "test"
    shift: Annotated[Shift, *SHIFTS.field()] | None = None
    subset: Annotated[int, Field(ge=1)] | None = None
    files: Annotated[Canonical, *SOURCES.field()] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, spec: object) -> object:
        return _read(spec) if isinstance(spec, str) else spec

    @model_validator(mode="after")
    def _published_as_it_is(self) -> View:
        if self.files is not None and (self.shift is not None or self.split != "test"):
            raise PrunescopeError("published files are a test set as they are", expected="no shift, no other split")
        return self

    @staticmethod
    def parse(spec: object) -> View:
        """Read a view from its text or its fields.

        Raises:
            PrunescopeError: for another split, shift or option, with the nearest names.
        """
        return validate(View, spec, "view")

    @property
    def name(self) -> str:
        """The text that :meth:`parse` reads as this view."""
        subset = "" if self.subset is None else f"[{self.subset}]"
        if self.files is not None:
            return f"canonical/{self.files.label}{subset}"
        if self.shift is None:
            return self.split + subset
        split = [] if self.split == "test" else [self.split]
        return "/".join([*split, _kind(type(self.shift)), *_write_shift(self.shift)]) + subset

    @property
    def kind(self) -> Literal["plain", "corruption", "noise", "canonical"]:
        """What its shift is: none, one with severities, one without, or a published file."""
        if self.files is not None:
            return "canonical"
        return "plain" if self.shift is None else _kind(type(self.shift))

    def canonical(self, *, complete: bool = False) -> dict[str, Any]:
        """Return the plain-data form in which files are known by their content, wherever they lie."""
        fields = super().canonical(complete=complete)
        if self.files is not None:
            return {**fields, "files": dict(self.files.identity())}
        return {name: value for name, value in fields.items() if name != "files"}

    def plain(self) -> dict[str, Any]:
        """Return the plain-data form from which the view can be built again."""
        return self.model_dump(mode="json")

    def within(self, splits: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return the splits of a study in which the published files, if any, stand in for the test split."""
        if self.files is None:
            return splits
        device = next(iter(splits.values())).images.device
        return {**splits, "test": self.files.load()["test"].to(device)}

    def select(self, splits: Mapping[str, Dataset], seed: int) -> Dataset:
        """Return the examples of this view, in their own order and as they are before the shift.

        The caller applies the shift (``apply_shift``), because its result need not fit uint8.

        Args:
            splits: by name, as a Source loads them, and ``validation``.
            seed: of the subset, which is stratified; a smaller subset of one seed lies within a larger one.

        Raises:
            PrunescopeError: for a split that is not there, or a subset larger than it.
        """
        if self.split not in splits:
            raise unknown_name("split", self.split, splits).at(self.name)
        data = splits[self.split]
        return data if self.subset is None else data.take(self.positions(data, seed))

    def positions(self, data: Dataset, seed: int) -> torch.Tensor:
        """Return the index in its split of each example of this view; arguments and refusals as :meth:`select`."""
        if self.subset is None:
            return torch.arange(len(data), device=data.labels.device)
        if self.subset > len(data):
            raise PrunescopeError("subset too large", expected=f"≤ {len(data)}", got=self.subset, where=self.name)
        chosen = stratified_subset(data.strata, self.subset, seed)
        return torch.from_numpy(chosen).to(data.labels.device)


def split_validation(train: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return the training examples without and with those held back for decisions, both in their own order.

    Args:
        train: the training split.
        fraction: held back, ``round(fraction · n)`` examples, each class in proportion; 0 holds back none.
        seed: of the draw.

    Raises:
        PrunescopeError: for a fraction outside [0, 1), or parts too small to hold every class.
    """
    from sklearn.model_selection import train_test_split

    if not 0 <= fraction < 1:
        raise PrunescopeError("fraction out of range", expected="0 ≤ fraction < 1", got=fraction, where="validation")
    held = round(fraction * len(train))
    everything = torch.arange(len(train))
    if fraction == 0:
        return train, train.take(everything[:0])
    labels = train.strata
    sizes = np.unique(labels, return_counts=True)[1]
    rarest = int(sizes.min(initial=len(train)))
    if not len(sizes) <= held <= len(train) - len(sizes) or rarest < 2:
        expected = f"each of {len(sizes)} classes in both parts"
        got = f"{held} of {len(train)} examples, {rarest} of the rarest class"
        raise PrunescopeError("too few examples to hold back", expected=expected, got=got, where="validation")
    parts = train_test_split(everything.numpy(), test_size=held, stratify=labels, random_state=seed)
    kept, validation = (torch.from_numpy(np.sort(part)).to(train.labels.device) for part in parts)
    return train.take(kept), train.take(validation)


def forms() -> list[str]:
    """Return ``corruption/NAME`` or ``noise/NAME`` of every shift, sorted."""
    return sorted(f"{_kind(SHIFTS.get(name))}/{name}" for name in SHIFTS.names())


def _kind(shift: type[Shift]) -> Literal["corruption", "noise"]:
    return "corruption" if "severity" in shift.model_fields else "noise"


def _write_shift(shift: Shift) -> list[str]:
    """Return the name, the value of the first option, and ``option=value`` for others that are not the default."""
    complete, changed = shift.canonical(complete=True), shift.canonical()
    first = next(iter(complete), "")
    rest = [f"{option}={_write(value)}" for option, value in changed.items() if option != first]
    return [shift.member_name, *(_write(value) for option, value in complete.items() if option == first), *rest]


def _write(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(text: str) -> dict[str, Any]:
    """Return the fields of a view written as text."""
    match = _TEXT.fullmatch(text.strip())
    assert match is not None, "the pattern takes every text"
    subset = {} if match["subset"] is None else {"subset": int(match["subset"])}
    if match["body"].startswith(CANONICAL):
        return _read_canonical(text.strip())
    parts = match["body"].split("/")
    split = {"split": parts.pop(0)} if parts[0] in get_args(SplitName) else {}
    if not parts:
        return split | subset
    kind, name = parts[0], "".join(parts[1:2])
    if f"{kind}/{name.replace('-', '_')}" not in forms():
        raise unknown_name("view", text, [*get_args(SplitName), *forms()])
    return split | subset | {"shift": {name: _read_options(SHIFTS.get(name), parts[2:])}}


def _read_canonical(text: str) -> dict[str, Any]:
    """Return the fields of ``canonical/NAME/SEVERITY[subset]=FOLDER``."""
    body, sign, path = text.removeprefix(CANONICAL).partition("=")
    match = _TEXT.fullmatch(body)
    assert match is not None, "the pattern takes every text"
    if not sign or not path:
        expected = "canonical/fog/3=FOLDER or canonical/cifar10_1/v6=FOLDER"
        raise PrunescopeError("published files need their folder", expected=expected, got=text)
    subset = {} if match["subset"] is None else {"subset": int(match["subset"])}
    return {"files": read_canonical(match["body"], path), **subset}


def _read_options(shift: type[Shift], parts: list[str]) -> dict[str, Any]:
    """Return the options of ``[value of the first, option=value, …]``."""
    first = next(iter(shift.model_fields), "")
    pairs = [part.partition("=") if "=" in part else (first, "=", part) for part in parts]
    options = {option: _value(value) for option, _, value in pairs}
    if len(options) < len(parts):
        raise PrunescopeError("one option has two values", expected=f"{first}, then option=value", got="/".join(parts))
    return options


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
