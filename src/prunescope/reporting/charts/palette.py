"""Okabe–Ito colours with one meaning each through the whole page; a shape and a dash go with every colour.

Green means as good as dense, vermillion worse than dense, grey random control; the other colours are recipes
and the ink is the dense network.

Source: Okabe and Ito, Color Universal Design (2008).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

KEPT = "#009E73"
BROKEN = "#D55E00"
CONTROL = "#808890"
RECIPES = ("#0072B2", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3))


class Style(NamedTuple):
    """How one recipe looks everywhere."""

    color: str
    shape: str
    dash: tuple[int, ...]


def styles(recipes: Sequence[str], controls: Collection[str] = ()) -> dict[str, Style]:
    """Return a distinct style for every recipe; controls are grey crosses.

    Example:
        >>> styles(["magnitude", "random"], {"random"})["random"].color
        '#808890'
    """
    chosen: dict[str, Style] = {}
    for recipe in (name for name in recipes if name not in controls):
        i = len(chosen)
        turn = i % len(RECIPES) + i // len(RECIPES)
        chosen[recipe] = Style(RECIPES[i % len(RECIPES)], SHAPES[turn % len(SHAPES)], DASHES[turn % len(DASHES)])
    grey = [name for name in recipes if name in controls]
    dashes = DASHES[::-1]
    return chosen | {name: Style(CONTROL, "cross", dashes[i % len(dashes)]) for i, name in enumerate(grey)}
