"""A Study file: recipes × seeds × views × measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, field_validator, model_validator

from prunescope.core.config import Config, load_yaml, validate
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data import SOURCES, Normalization, Source, View, parse_views, resolve_source
from prunescope.measures import DEFAULT_BUDGET, MEASURES, Measure, Promise, parse_budget
from prunescope.models import MODELS, Model, Pretrained
from prunescope.training import Recipe, parse_recipes
from prunescope.training.recipe import DENSE
from prunescope.training.stages import Share

SIZES = ("tiny", "small", "paper")
MEMBERS = ("data", "model")
MOST_NETWORKS = 50_000  # of a recipe; each is a few nodes, and a plan holds all of them
PRESETS = files("prunescope.study") / "presets"


class Study(Config):
    """What is trained, pruned, seen and measured.

    Attributes:
        name: used in tables and file names.
        question: one sentence for the top of the report.
        data: a registered data set, a folder, or a hub name.
        validation: share of the training images held out for decisions.
        normalize: of network inputs; the training images' own mean and deviation when left out.
        model: a registered architecture.
        init: pre-trained weights that every network starts from, a file or ``owner/name`` on the hub; seeded random
            ones when left out.
        seeds: one network each.
        recipes: by name, each after the one it comes from.
        views: what the measures see.
        measures: what is measured.
        budget: promises; the default is accuracy within 0.5 points of dense.
        time_limit: seconds that one node may take, such as 7200; a node that takes longer fails. None for any.
    """

    name: str
    question: str = ""
    data: Annotated[Source, *SOURCES.field()]
    validation: Share = 0.1
    normalize: Normalization | None = None
    model: Annotated[Model, *MODELS.field()]
    init: Pretrained | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...]
    recipes: dict[str, Recipe]
    views: tuple[View, ...] = (View(),)
    measures: tuple[Annotated[Measure, *MEASURES.field()], ...]
    budget: tuple[Promise, ...] = DEFAULT_BUDGET
    time_limit: Annotated[float, Field(gt=0)] | None = None

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        _refuse_more(value)
        return range(value)

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value):
            raise PrunescopeError("seeds must be one or more different numbers", got=list(value))
        return value

    @field_validator("data", mode="plain")
    @classmethod
    def _named_or_located(cls, value: object) -> Source:
        return resolve_source(value) if isinstance(value, str) else SOURCES.build(value)

    @field_validator("views", mode="before")
    @classmethod
    def _views(cls, value: Sequence[object]) -> tuple[View, ...]:
        return parse_views(value)

    @field_validator("budget", mode="before")
    @classmethod
    def _budget(cls, value: object) -> object:
        return parse_budget(value) if isinstance(value, Mapping) else value

    @field_validator("recipes")
    @classmethod
    def _references(cls, value: dict[str, Recipe]) -> dict[str, Recipe]:
        for name, recipe in value.items():
            if recipe.against is not None and recipe.against not in value:
                raise unknown_name("recipe", recipe.against, value).at(f"{name}.against")
            if recipe.against is not None and value[recipe.against].prunes:
                expected = "a recipe that does not prune"
                raise PrunescopeError("not dense", expected=expected, got=recipe.against, where=f"{name}.against")
        return value

    @model_validator(mode="after")
    def _not_too_many(self) -> Study:
        for name, recipe in self.recipes.items():
            _refuse_more(len(self.seeds) * recipe.draws * max(recipe.repeat, len(recipe.levels)), f"recipes.{name}")
        return self

    def dense_of(self, recipe: str) -> str:
        """Return the recipe whose end is the dense reference of ``recipe``.

        The one that it, or a recipe it comes from, is ``against``. Else the one named dense, if it begins with the same
        recipe or ``recipe`` begins with one that prunes; else the recipe that ``recipe`` begins with.
        """
        line = self._line(recipe)
        named = next((against for name in line if (against := self.recipes[name].against) is not None), None)
        if named is not None:
            return named
        root = line[-1]
        pruned = self.recipes[root].prunes
        if DENSE in self.recipes and (pruned or self._line(DENSE)[-1] == root):
            return DENSE
        if pruned:
            raise PrunescopeError("no dense reference", expected=f"a recipe named {DENSE!r}", where=f"recipes.{recipe}")
        return root

    def _line(self, recipe: str) -> list[str]:
        """Return a recipe, the one it comes from, and so on."""
        line = [recipe]
        while (parent := self.recipes[line[-1]].start) is not None:
            line.append(parent)
        return line


def _refuse_more(networks: int, where: str = "") -> None:
    if networks > MOST_NETWORKS:
        raise PrunescopeError("too many networks", expected=f"≤ {MOST_NETWORKS}", got=networks, where=where)


Reference = Study | str | Path | Mapping[str, Any]


def load_study(
    reference: Reference,
    *,
    size: str = "tiny",
    settings: Mapping[str, Any] | None = None,
    data: Mapping[str, str] | None = None,
) -> Study:
    """Read a preset or a study file, lay a size over it, then a mode, single settings, and other places for its data.

    Args:
        reference: a preset's name, a YAML file, the mapping itself, or a Study, which is returned as it is.
        size: ``tiny`` is the file itself; ``small`` and ``paper`` are overrides in its ``sizes``.
        settings: ``{"recipes.dense.0.train.until": "2ep"}``; ``mode`` chooses one of the overrides in ``modes``.
        data: ``{name in the study: path or other name}``.

    Raises:
        PrunescopeError: with file, field path, what was expected and what was given.
    """
    if isinstance(reference, Study):
        return reference
    raw, where = _raw(reference)
    raw = _sized(raw, size, where)
    wanted = dict(settings or {})
    raw = _in_mode(raw, wanted.pop("mode", None), where)
    for path, value in wanted.items():
        _set(raw, path, value, where)
    for name, place in (data or {}).items():
        if raw.get("data") != name:
            raise PrunescopeError(
                "the study does not use this data set", expected=raw.get("data"), got=name, where="data"
            )
        raw["data"] = place
    recipes = raw.get("recipes")
    if not isinstance(recipes, Mapping) or not recipes:
        raise PrunescopeError("recipes are missing", expected="a mapping of recipes", got=recipes, where=where)
    return validate(Study, {**raw, "recipes": parse_recipes(recipes, where)}, where)


def preset_names() -> list[str]:
    """Return the names of the studies that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``a.b=c``; the value is YAML.

    Example:
        >>> parse_setting("seeds=[0, 1]")
        ('seeds', [0, 1])
    """
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise PrunescopeError("not a setting", expected="field.field=value", got=text, where="--set")
    try:
        return path, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise PrunescopeError(
            "value is not plain YAML", got=" ".join(str(error).split()), where=f"--set {path}"
        ) from None


def parse_place(text: str) -> tuple[str, str]:
    """Read ``NAME=PATH``."""
    name, sign, place = text.partition("=")
    if not sign or not name or not place:
        raise PrunescopeError("not a place for data", expected="NAME=PATH", got=text, where="--data")
    return name, place


def _raw(reference: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(reference, Mapping):
        return dict(reference), str(reference.get("name", "study"))
    name = str(reference).replace("_", "-")
    path = Path(reference)
    if name in preset_names() and not path.suffix:
        path = Path(str(PRESETS / f"{name}.yaml"))
        return load_yaml(path), f"{name}.yaml"
    if path.suffix not in {".yaml", ".yml"}:
        raise unknown_name("study", str(reference), preset_names())
    return load_yaml(path), str(path)


def _sized(raw: dict[str, Any], size: str, where: str) -> dict[str, Any]:
    sizes = raw.pop("sizes", {})
    if not isinstance(sizes, Mapping) or not set(sizes) <= set(SIZES):
        raise PrunescopeError(
            "sizes cannot be read", expected=f"a mapping of {SIZES}", got=sizes, where=f"{where}: sizes"
        )
    if size not in SIZES:
        raise unknown_name("size", size, SIZES)
    if size != SIZES[0] and size not in sizes:
        raise PrunescopeError(f"this study has no size {size!r}", expected=[SIZES[0], *sizes], where=where)
    return _overlaid(raw, sizes.get(size, {}))


def _in_mode(raw: dict[str, Any], wanted: object, where: str) -> dict[str, Any]:
    """Lay the wanted mode over a study, else the one it names itself."""
    modes, own = raw.pop("modes", {}), raw.pop("mode", None)
    if not isinstance(modes, Mapping):
        raise PrunescopeError("modes cannot be read", expected="a mapping of overrides", got=modes, where=where)
    mode = own if wanted is None else wanted
    if mode is None and not modes:
        return raw
    if mode not in modes:
        raise unknown_name("mode", mode, modes).at(where)
    return _overlaid(raw, modes[mode])


def _overlaid(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``over`` on ``base``: mappings merge, but another data set or model, and everything else, replaces."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            other = name in MEMBERS and below.keys() != value.keys()
            merged[name] = value if other else _overlaid(dict(below), value)
        else:
            merged[name] = value
    return merged


def _set(raw: Any, path: str, value: Any, where: str) -> None:
    *parents, last = path.split(".")
    node = raw
    for part in parents:
        node = _child(node, part, path, where)
    if isinstance(node, list):
        node[_index(node, last, path, where)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise PrunescopeError("cannot be set", got=path, where=where)


def _child(node: Any, part: str, path: str, where: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, path, where)]
    if isinstance(node, dict) and part in node:
        return node[part]
    raise unknown_name("field", part, node if isinstance(node, dict) else []).at(f"{where}: --set {path}")


def _index(node: list[Any], part: str, path: str, where: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise PrunescopeError("no such item", expected=f"0 … {len(node) - 1}", got=part, where=f"{where}: --set {path}")
    return int(part)
