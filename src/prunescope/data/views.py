"""Lists of views, written with patterns: all corruptions at a severity in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import get_args

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data.view import CANONICAL, SplitName, View, forms

_BRACES = re.compile(r"\{([^{}]*)\}")
_PATTERN = re.compile(r"[*?]")


def parse_views(entries: Iterable[object]) -> tuple[View, ...]:
    """Read a list of views; a view that is written twice counts once.

    Besides single views (see :class:`View`) a text may hold alternatives in braces, ``noise/uniform_noise/{0,.1,.2}``,
    and ``*`` or ``?`` in the name of a shift: ``corruption/*/3[2000]``. A text that begins with ``!`` takes out again
    what it matches: ``!corruption/saturate/*``.

    Raises:
        PrunescopeError: for a pattern that matches nothing, and as :meth:`View.parse`.

    Example:
        >>> [view.name for view in parse_views(["test", "corruption/{fog,snow}/3", "!*/fog/*"])]
        ['test', 'corruption/snow/3']
    """
    views: dict[str, View] = {}
    for entry in entries:
        for one in _alternatives(entry) if isinstance(entry, str) else [entry]:
            if isinstance(one, str) and one.startswith("!"):
                for name in _named(one[1:], views):
                    del views[name]
            else:
                found = [View.parse(spec) for spec in _matching(one)]
                views |= {view.name: view for view in found}
    return tuple(views.values())


def _alternatives(text: str) -> Iterator[str]:
    """Yield the text with each choice of its braces; the folder of published files is left as it is."""
    if text.strip().startswith(CANONICAL):
        body, sign, folder = text.strip().partition("=")
        yield from (one + sign + folder for one in _braced(body))
    else:
        yield from _braced(text)


def _braced(text: str) -> Iterator[str]:
    found = _BRACES.search(text)
    if found is None:
        yield text.strip()
        return
    for choice in found[1].split(","):
        yield from _braced(text[: found.start()] + choice.strip() + text[found.end() :])


def _matching(entry: object) -> list[object]:
    """Return the entry, or the texts that its pattern stands for."""
    if isinstance(entry, str) and entry.startswith(CANONICAL):
        return _published(entry)
    if not isinstance(entry, str) or not _PATTERN.search(entry):
        return [entry]
    split = [name for name in get_args(SplitName) if entry.startswith(f"{name}/")]
    start = len(split[0]) + 1 if split else 0
    kind, name, rest = [*entry[start:].split("/", 2), "", ""][:3]
    found = [form for form in forms() if fnmatchcase(form, f"{kind}/{name}")]
    if not found or _PATTERN.search(rest):
        raise unknown_name("pattern of views", entry, [*get_args(SplitName), *forms()])
    return ["/".join(filter(None, [*split, form, rest])) for form in found]


def _published(entry: str) -> list[object]:
    """Return the corruptions that a pattern of published files stands for."""
    body, sign, folder = entry.partition("=")
    name, slash, rest = body.removeprefix(CANONICAL).partition("/")
    if not _PATTERN.search(name):
        return [entry]
    known = [form.removeprefix("corruption/") for form in forms() if form.startswith("corruption/")]
    found = [one for one in known if fnmatchcase(one, name)]
    if not found:
        raise unknown_name("pattern of published files", entry, known)
    return [f"{CANONICAL}{one}{slash}{rest}{sign}{folder}" for one in found]


def _named(pattern: str, views: Iterable[str]) -> list[str]:
    """Return the names that a pattern matches; brackets stand for themselves."""
    found = [name for name in views if fnmatchcase(name, pattern.replace("[", "[[]"))]
    if not found:
        raise PrunescopeError("takes out no view", expected=f"a pattern of {', '.join(views)}", got=f"!{pattern}")
    return found
