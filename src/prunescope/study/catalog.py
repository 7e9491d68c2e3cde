"""The catalogue: what every family offers, told from the members themselves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from prunescope.core.errors import unknown_name
from prunescope.core.registry import Member, Registry
from prunescope.data import AUGMENTATIONS, SOURCES
from prunescope.data.shifts import SHIFTS
from prunescope.measures import MEASURES, Card
from prunescope.measures.inference import INFERENCES
from prunescope.models import MODELS
from prunescope.pruning import CRITERIA
from prunescope.pruning.kernels import KERNELS
from prunescope.study.study import load_study, preset_names
from prunescope.training import OBJECTIVES, STAGES
from prunescope.training.learning_rate import LEARNING_RATES
from prunescope.training.optimizers import OPTIMIZERS

FAMILIES: Mapping[str, Registry[Any]] = {
    "criteria": CRITERIA,
    "kernels": KERNELS,
    "measures": MEASURES,
    "inferences": INFERENCES,
    "models": MODELS,
    "datasets": SOURCES,
    "shifts": SHIFTS,
    "objectives": OBJECTIVES,
    "stages": STAGES,
    "optimizers": OPTIMIZERS,
    "learning_rates": LEARNING_RATES,
    "augmentations": AUGMENTATIONS,
}
STUDIES = "studies"


def members(family: str) -> dict[str, str]:
    """Return name and first sentence of every member of a family."""
    if family == STUDIES:
        return {name: load_study(name).question for name in preset_names()}
    if family not in FAMILIES:
        raise unknown_name("family", family, [*FAMILIES, STUDIES])
    registry = FAMILIES[family]
    return {name: _doc(registry.get(name)).partition("\n")[0] for name in registry.names()}


def explain(name: str) -> str:
    """Return what a member does, its options and, for a measure, its card.

    Raises:
        PrunescopeError: for a name that no family has, with the nearest ones.
    """
    wanted = name.replace("-", "_")
    found = [family for family, registry in FAMILIES.items() if wanted in registry.names()]
    found += [STUDIES] * (name.replace("_", "-") in preset_names())
    if not found:
        raise unknown_name("name", name, [n for r in FAMILIES.values() for n in r.names()] + preset_names())
    return "\n\n".join(explain_in(family, name) for family in found)


def explain_in(family: str, name: str) -> str:
    """Return the same for a member of a given family."""
    if family == STUDIES:
        return _study(name.replace("_", "-"))
    wanted = name.replace("-", "_")
    return _member(family, wanted, FAMILIES[family].get(wanted))


def _member(family: str, name: str, member: type[Member]) -> str:
    lines = [f"{name}  ({family})", "", _doc(member), *_inherited(member), ""]
    lines += [_option(option, field) for option, field in member.model_fields.items()] or ["no options"]
    card = getattr(member, "card", None)
    return "\n".join(lines + (_card(card) if isinstance(card, Card) else []))


def _inherited(member: type[Member]) -> list[str]:
    """Return what its base classes tell of the options that they give it."""
    bases = [base for base in member.__mro__[1:] if issubclass(base, Member) and base is not Member]
    told = [_doc(base).partition("Attributes:\n")[2].partition("\n\n")[0] for base in bases]
    return ["", "Inherited attributes:", *filter(None, told)] if any(told) else []


def _option(name: str, field: Any) -> str:
    kind = _kind(field.annotation)
    return f"  {name}: {kind}" + (" (required)" if field.is_required() else f" = {field.get_default()!r}")


def _kind(annotation: Any) -> str:
    """Return an annotation in words: choices spelled out, what checks a value left out."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return " | ".join(map(repr, parts))
    if origin in (Union, UnionType):
        return " | ".join(map(_kind, parts))
    if annotation is Ellipsis or annotation is type(None):
        return "..." if annotation is Ellipsis else "None"
    name = str(getattr(annotation, "__name__", annotation))
    return f"{name}[{', '.join(map(_kind, parts))}]" if parts else name


def _card(card: Card) -> list[str]:
    lines = ["", f"reports, on {card.scope}:"]
    lines += [f"  {n} [{q.unit}, {q.better} is better]: {q.meaning}" for n, q in card.quantities.items()]
    return [
        *lines,
        f"invariant to: {', '.join(card.invariant_to) or 'nothing'}",
        f"ties: {card.ties}",
        f"source: {card.source}",
    ]


def _study(name: str) -> str:
    study = load_study(name)
    recipes = [f"  {recipe}: {value.about}" for recipe, value in study.recipes.items()]
    return "\n".join([f"{study.name}  ({STUDIES})", "", study.question, "", "recipes:", *recipes])


def _doc(member: type[Member]) -> str:
    return inspect.cleandoc(member.__doc__ or "")
