"""What an audit looks with: measures, views, and the promises that decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from torch import Tensor

from prunescope.core.config import load_yaml
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data import SHIFTS, View
from prunescope.data.shifts import apply_shift
from prunescope.measures import DEFAULT_BUDGET, MEASURES, Measure, Promise, parse_budget
from prunescope.measures.inference import INFERENCES

# Always measured: they read what every audit has.
BASE = ("accuracy", "agreement", "compression")
# Measured unless others are asked for.
USUAL = ("calibration", "cka", "latency")
WITH_SEEDS = ("pie",)
WITH_LEVELS = ("prune_potential",)
CORRUPTIONS = "corruptions"
SEVERITY = 3
NOISE = ("uniform_noise/0.05", "uniform_noise/0.1", "uniform_noise/0.2")
# Which shifted views a measure is asked for; anything else looks at the images as they are.
SHIFTED = {CORRUPTIONS: "corruption/*", "excess_error": "corruption/*", "noise_similarity": "noise/*"}


@dataclass(frozen=True, kw_only=True)
class Battery:
    """The measures and views of an audit, its promises, and the shifts that these images cannot have."""

    measures: tuple[Measure, ...]
    views: tuple[View, ...]
    promises: tuple[Promise, ...]
    left_out: tuple[str, ...]

    @property
    def needs_training(self) -> bool:
        """Whether a measure reads training images."""
        kinds = ((measure, kind) for measure in self.measures for kind in measure.card.evidence & {*INFERENCES.names()})
        return any(measure.inference(kind).splits for measure, kind in kinds)


def choose(
    measures: Iterable[object] | None, promises: tuple[Promise, ...], *, seeds: int, levels: int, images: Tensor
) -> Battery:
    """Return what is measured: what was asked for, what was promised, and what costs nothing more.

    Args:
        measures: names or specs of measures; ``corruptions`` adds the 19 corruptions at severity 3. None for the usual.
        promises: decide the verdict; what they speak of is measured.
        seeds: dense networks.
        levels: pruned networks, or populations of them.
        images: some of the images, to see which shifts they can have.

    Raises:
        PrunescopeError: for an unknown name, or a promise about a view that an audit does not have.
    """
    usual = USUAL + WITH_SEEDS * (seeds > 1) + WITH_LEVELS * (levels > 1)
    asked = list(usual) if measures is None else list(measures)
    corrupted = CORRUPTIONS in asked
    names = (*BASE, *(m for m in asked if m != CORRUPTIONS), *(promise.measure for promise in promises))
    chosen: dict[str, Measure] = {}
    for name in names:
        member = _built(name)
        if member.card.scope == "recipes":
            raise PrunescopeError("this measure compares the recipes of a study", got=member.member_name, where="audit")
        chosen[member.member_name] = member
    patterns = {SHIFTED[name] for name in (*chosen, *[CORRUPTIONS] * corrupted) if name in SHIFTED}
    views, left_out = _views(patterns | {promise.view for promise in promises}, images)
    return Battery(measures=tuple(chosen.values()), views=views, promises=promises, left_out=left_out)


def read_budget(budget: object) -> tuple[Promise, ...]:
    """Return the promises of a mapping or a YAML file; the default without one."""
    if budget is None:
        return DEFAULT_BUDGET
    raw = load_yaml(Path(budget)) if isinstance(budget, (str, Path)) else budget
    try:
        return parse_budget(raw["budget"] if isinstance(raw, Mapping) and set(raw) == {"budget"} else raw)
    except PrunescopeError as error:
        raise error.at(str(budget)) if isinstance(budget, (str, Path)) else error from None


def parse_numbers(text: str | None, where: str) -> tuple[float, ...] | None:
    """Read numbers with commas between them.

    Example:
        >>> parse_numbers("0.5, 0.4", "--mean")
        (0.5, 0.4)
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise PrunescopeError("not numbers", expected="r,g,b", got=repr(text), where=where) from None


def read_names(path: Path) -> list[str]:
    """Return the lines of a file of class names.

    Raises:
        PrunescopeError: for a file that cannot be read as text.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise PrunescopeError("cannot be read", expected="one name a line", got=error, where=str(path)) from None


def _built(spec: object) -> Measure:
    if isinstance(spec, str) and spec.replace("-", "_") not in MEASURES.names():
        raise unknown_name("measure", spec, [*MEASURES.names(), CORRUPTIONS])
    return MEASURES.build(spec)


def _views(patterns: set[str], images: Tensor) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """Return the plain view and the shifted ones that a pattern wants, and those that the images cannot have."""
    corruptions = [n for n in SHIFTS.names() if "severity" in SHIFTS.get(n).model_fields]
    shifted = [View.parse(f"corruption/{name}/{SEVERITY}") for name in corruptions]
    known = [View(), *shifted, *(View.parse(f"noise/{noise}") for noise in NOISE)]
    for pattern in patterns:
        if not any(fnmatchcase(view.name, pattern) for view in known):
            raise unknown_name("view", pattern, [view.name for view in known]).at("budget")
    wanted = [v for v in known if v.shift is None or any(fnmatchcase(v.name, pattern) for pattern in patterns)]
    refused = {view: told for view in wanted if (told := _refusal(view, images))}
    kept = tuple(view for view in wanted if view not in refused)
    return kept, tuple(f"{view.name} left out: {told}" for view, told in refused.items())


def _refusal(view: View, images: Tensor) -> str:
    try:
        if view.shift is not None:
            apply_shift(view.shift, images[:1], seed=0)
    except PrunescopeError as error:
        return error.problem
    return ""
