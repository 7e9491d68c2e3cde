"""Recipe: a tuple of stages, its sparsity levels and its repetitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, model_validator

from prunescope.core.config import Config, validate
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.training.stages import STAGES, Share, Stage, Train

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
    level before. With ``repeat`` they run again and again, and each round is a level.
    """

    start: Annotated[str | None, Field(alias="from")] = None
    stages: tuple[Annotated[Stage, *STAGES.field()], ...]
    levels: tuple[Share, ...] = ()
    cascade: bool = False
    repeat: Annotated[int, Field(ge=1)] = 1
    about: str = ""

    @model_validator(mode="after")
    def _coherent(self) -> Recipe:
        open_amounts = [stage for stage in self.stages if stage.lacks_amount]
        if self.levels and self.repeat > 1:
            raise PrunescopeError("levels and repeat exclude each other")
        if bool(self.levels) != bool(open_amounts):
            raise PrunescopeError(
                "levels belong to a prune stage without an amount", got=f"{len(self.levels)} levels, {open_amounts}"
            )
        if any(a >= b for a, b in pairwise(self.levels)):
            raise PrunescopeError("levels must rise", got=list(self.levels))
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
                    label=f"{sparsity:g}",
                    sparsity=sparsity,
                    stages=tuple(stage.at_level(sparsity) for stage in self.stages),
                    after=index - 1 if self.cascade and index else None,
                )
                for index, sparsity in enumerate(self.levels)
            )
        rounds: list[Level] = []
        sparsity = parent_sparsity
        for index in range(self.repeat):
            for stage in self.stages:
                sparsity = stage.sparsity_after(sparsity)
            label = f"round {index + 1}" if self.repeat > 1 else (f"{sparsity:g}" if self.prunes else DENSE)
            rounds.append(Level(label=label, sparsity=sparsity, stages=self.stages, after=index - 1 if index else None))
        return tuple(rounds)


def parse_recipes(raw: Mapping[str, Any], where: str) -> dict[str, Recipe]:
    """Read a study's recipes: a list is stages, ``train: same`` repeats the last Train of the recipes it comes from.

    Returns:
        Recipes so ordered that each stands after the one it comes from.

    Raises:
        PrunescopeError: for an unknown parent, a circle, or ``train: same`` without a Train before it.
    """
    plain = {name: dict(value) if isinstance(value, Mapping) else {"stages": value} for name, value in raw.items()}
    recipes: dict[str, Recipe] = {}
    for name in _parents_first(plain, where):
        place = f"{where}: recipes.{name}"
        stages = plain[name].get("stages")
        if not isinstance(stages, Sequence) or isinstance(stages, str):
            raise PrunescopeError("stages are missing", expected="a list of stages", got=stages, where=place)
        filled = [_last_train(recipes, plain[name].get("from"), place) if s == {"train": "same"} else s for s in stages]
        recipes[name] = validate(Recipe, {**plain[name], "stages": filled}, place)
    return recipes


def _last_train(recipes: Mapping[str, Recipe], parent: str | None, where: str) -> Train:
    while parent is not None:
        trains = [stage for stage in recipes[parent].stages if isinstance(stage, Train)]
        if trains:
            return trains[-1]
        parent = recipes[parent].start
    raise PrunescopeError("train: same has no training before it", where=where, remedy="Write the training out")


def _parents_first(plain: Mapping[str, Mapping[str, Any]], where: str) -> list[str]:
    order: list[str] = []
    for name in plain:
        chain: list[str] = []
        current: str | None = name
        while current is not None and current not in order:
            if current in chain:
                raise PrunescopeError(
                    "recipes come from each other in a circle", got=" → ".join([*chain, current]), where=where
                )
            chain.append(current)
            parent = plain[current].get("from")
            if parent is not None and parent not in plain:
                raise unknown_name("recipe", parent, plain).at(f"{where}: recipes.{current}.from")
            current = parent
        order += reversed(chain)
    return order
