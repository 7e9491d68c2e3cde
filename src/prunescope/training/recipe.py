"""Recipe: a tuple of stages, its sparsity levels and its repetitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_serializer, field_validator, model_validator

from prunescope.core.config import Config, validate
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.training.grids import Way, grid
from prunescope.training.stages import STAGES, Prune, Reweight, Share, Stage, Train

DENSE = "dense"


@dataclass(frozen=True, kw_only=True)
class Level:
    """One point on a recipe's curve: the stages that lead to it from the level it continues.

    ``after`` is the index of the level it continues in the same recipe, None for the recipe it comes from.
    """

    label: str
    sparsity: float
    stages: tuple[Stage, ...]
    after: int | None


class Recipe(Config):
    """What happens to a network: ``from`` another recipe's end, ``stages``, once, by level, or repeated.

    With ``levels`` the stages run once for each sparsity, from the parent (one-shot) or, with ``cascade``, from the
    level before. A level may be a list: its last sparsity is the level, and a cascade only prunes to the earlier ones
    on the way there. The name of a grid stands for its levels. With ``repeat`` the stages run again and again, and each
    round is a level.

    ``draws`` repeats all of it for each network: criteria that choose at random draw anew, others do the same again.
    Only measures of many draws look beyond the first, and other recipes go on from it.

    ``against`` names the recipe whose networks are the dense reference, where that is not the one it comes from.
    """

    start: Annotated[str | None, Field(alias="from")] = None
    against: str | None = None
    stages: tuple[Annotated[Stage, *STAGES.field()], ...]
    levels: tuple[Annotated[tuple[Share, ...], Field(min_length=1)], ...] = ()
    cascade: bool = False
    repeat: Annotated[int, Field(ge=1)] = 1
    draws: Annotated[int, Field(ge=1)] = 1
    about: str = ""

    @field_validator("levels", mode="before")
    @classmethod
    def _each_with_its_way(cls, value: object) -> object:
        levels = grid(value) if isinstance(value, str) else value
        if not isinstance(levels, Sequence):
            return levels
        return [way if isinstance(way, Sequence) else (way,) for way in levels]

    @field_serializer("levels")
    def _as_written(self, levels: tuple[Way, ...]) -> list[float | list[float]]:
        return [list(way) if len(way) > 1 else way[0] for way in levels]

    @model_validator(mode="after")
    def _coherent(self) -> Recipe:
        open_amounts = [stage for stage in self.stages if stage.lacks_amount]
        if self.draws > 1 and not self.prunes:
            raise PrunescopeError("draws belong to a recipe that prunes", got=f"draws {self.draws}")
        if self.levels and self.repeat > 1:
            raise PrunescopeError("levels and repeat exclude each other")
        if bool(self.levels) != bool(open_amounts):
            raise PrunescopeError(
                "levels belong to a prune stage without an amount", got=f"{len(self.levels)} levels, {open_amounts}"
            )
        if any(a >= b for a, b in pairwise(sparsity for way in self.levels for sparsity in way)):
            raise PrunescopeError("levels must rise", got=list(self.levels))
        for before, stage in pairwise((None, *self.stages)):
            if isinstance(stage, Reweight) and not isinstance(before, Prune):
                raise PrunescopeError("reweight comes right after prune", got=before and before.member_name)
        return self

    @property
    def prunes(self) -> bool:
        """Whether any stage prunes."""
        return any(stage.prunes for stage in self.stages)

    def expand(self, parent_sparsity: float = 0.0) -> tuple[Level, ...]:
        """Return the levels in order."""
        if self.levels:
            return tuple(
                Level(
                    label=f"{way[-1]:g}",
                    sparsity=way[-1],
                    stages=self._along(way),
                    after=index - 1 if self.cascade and index else None,
                )
                for index, way in enumerate(self.levels)
            )
        rounds: list[Level] = []
        sparsity = parent_sparsity
        for index in range(self.repeat):
            for stage in self.stages:
                sparsity = stage.sparsity_after(sparsity)
            label = f"round {index + 1}" if self.repeat > 1 else (f"{sparsity:g}" if self.prunes else DENSE)
            rounds.append(Level(label=label, sparsity=sparsity, stages=self.stages, after=index - 1 if index else None))
        return tuple(rounds)

    def _along(self, way: Way) -> tuple[Stage, ...]:
        """Return the stages that lead to a level: only compression on the way, everything at its end."""
        compress = [stage for stage in self.stages if isinstance(stage, (Prune, Reweight))]
        steps = [stage.at_level(sparsity) for sparsity in way[:-1] for stage in compress] if self.cascade else []
        return (*steps, *(stage.at_level(way[-1]) for stage in self.stages))


def parse_recipes(raw: Mapping[str, Any], where: str) -> dict[str, Recipe]:
    """Read a study's recipes: a list is stages.

    ``train: same`` repeats the last Train of the recipes it comes from, ``train: {same: NAME, option: value}`` that of
    another recipe, with other options.

    Returns:
        Recipes so ordered that each stands after the ones it refers to.

    Raises:
        PrunescopeError: for an unknown recipe, a circle, or nothing to repeat.
    """
    plain = {name: dict(value) if isinstance(value, Mapping) else {"stages": value} for name, value in raw.items()}
    recipes: dict[str, Recipe] = {}
    for name in _in_order(plain, where):
        place = f"{where}: recipes.{name}"
        stages = plain[name].get("stages")
        if not isinstance(stages, Sequence) or isinstance(stages, str):
            raise PrunescopeError("stages are missing", expected="a list of stages", got=stages, where=place)
        filled = [_repeated(stage, recipes, plain[name].get("from"), place) for stage in stages]
        recipes[name] = validate(Recipe, {**plain[name], "stages": filled}, place)
    return recipes


def _repeated(stage: object, recipes: Mapping[str, Recipe], parent: str | None, where: str) -> object:
    """Return a stage, or the Train that it repeats."""
    if stage == {"train": "same"}:
        return _last_train(recipes, parent, where)
    options = _options_of_same(stage)
    if options is None:
        return stage
    changes = {name: value for name, value in options.items() if name != "same"}
    return {"train": {**_last_train(recipes, str(options["same"]), where).canonical(), **changes}}


def _options_of_same(stage: object) -> Mapping[str, Any] | None:
    options = stage.get("train") if isinstance(stage, Mapping) else None
    return options if isinstance(options, Mapping) and "same" in options else None


def _last_train(recipes: Mapping[str, Recipe], recipe: str | None, where: str) -> Train:
    while recipe is not None:
        trains = [stage for stage in recipes[recipe].stages if isinstance(stage, Train)]
        if trains:
            return trains[-1]
        recipe = recipes[recipe].start
    raise PrunescopeError("train: same has no training before it", where=where, remedy="Write the training out")


def _in_order(plain: Mapping[str, Mapping[str, Any]], where: str) -> list[str]:
    order: list[str] = []

    def visit(name: str, chain: tuple[str, ...]) -> None:
        if name in chain:
            told = " → ".join([*chain[chain.index(name) :], name])
            raise PrunescopeError("recipes come from each other in a circle", got=told, where=where)
        if name in order:
            return
        for field, other in _references(plain[name]):
            if other not in plain:
                raise unknown_name("recipe", other, plain).at(f"{where}: recipes.{name}.{field}")
            visit(other, (*chain, name))
        order.append(name)

    for name in plain:
        visit(name, ())
    return order


def _references(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the other recipes that one refers to, each with the field that does."""
    start, stages = recipe.get("from"), recipe.get("stages")
    found = [] if start is None else [("from", str(start))]
    for index, stage in enumerate(stages if isinstance(stages, Sequence) else ()):
        options = _options_of_same(stage)
        found += [] if options is None else [(f"stages.{index}.train.same", str(options["same"]))]
    return found
