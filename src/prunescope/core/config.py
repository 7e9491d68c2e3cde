"""Frozen configuration models, their canonical JSON and fingerprint, and safe YAML."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from prunescope.core.errors import PrunescopeError, unknown_name

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_YAML_BYTES = 1_000_000
MAX_YAML_NODES = 50_000
MAX_YAML_DEPTH = 40


class Config(BaseModel):
    """A frozen, keyword-only value; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    def canonical(self, *, complete: bool = False) -> dict[str, Any]:
        """Return the plain-data form: fields that differ from their default, or all of them."""
        return self.model_dump(mode="json", exclude_defaults=not complete, by_alias=True)


def canonical_json(value: object) -> str:
    """Return the one JSON text of plain data: sorted keys, no spaces, no NaN.

    Example:
        >>> canonical_json({"b": 1, "a": [0.1, True]})
        '{"a":[0.1,true],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: object) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal.

    Example:
        >>> fingerprint({})[:12]
        '44136fa355b3'
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def validate(model: type[ModelT], data: object, where: str) -> ModelT:
    """Build ``model`` from plain data; the first error names file, field path, expectation and value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _told(error, model, where) from None


def _told(error: ValidationError, model: type[BaseModel], where: str) -> PrunescopeError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    place = f"{where}: {path}" if path else where
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, PrunescopeError):
        return cause.at(place)
    if first["type"] == "extra_forbidden":
        return unknown_name("field", first["loc"][-1], _fields_at(model, first["loc"][:-1])).at(place)
    return PrunescopeError(first["msg"], got=repr(first["input"])[:200], where=place)


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field is not None else None
        for inner in (annotation, *get_args(annotation)):  # X | None has X inside
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return list(model.model_fields)


class _BoundedLoader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else id(key_node)
            if key in seen and key != "<<":
                raise yaml.MarkedYAMLError(problem=f"key {key!r} appears twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping: no Python tags, bounded size, depth and alias expansion.

    Raises:
        PrunescopeError: with the file and the line of what cannot be read.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PrunescopeError("cannot be read", got=error.strerror, where=str(path)) from None
    if len(text) > MAX_YAML_BYTES:
        raise PrunescopeError("file too large", expected=f"≤ {MAX_YAML_BYTES} bytes", got=len(text), where=str(path))
    try:
        root = yaml.compose(text, Loader=_BoundedLoader)
        if root is not None:
            _expanded_size(root, {}, str(path), 0)
        data = yaml.load(text, Loader=_BoundedLoader)  # noqa: S506 - a SafeLoader subclass
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError, TypeError) as error:
        if isinstance(error, PrunescopeError):
            raise
        told = " ".join(str(error).split())[:300]
        raise PrunescopeError("not readable as plain YAML", got=told, where=str(path)) from None
    if not isinstance(data, Mapping):
        raise PrunescopeError("not a mapping", expected="key: value pairs", got=type(data).__name__, where=str(path))
    return dict(data)


def _expanded_size(node: yaml.Node, sizes: dict[int, int | None], where: str, depth: int) -> int:
    """Count the nodes after alias expansion without expanding them."""
    if depth > MAX_YAML_DEPTH:
        raise PrunescopeError("nested too deeply", expected=f"≤ {MAX_YAML_DEPTH} levels", where=where)
    known = sizes.get(id(node), 0)
    if known is None:
        raise PrunescopeError("an alias refers to itself", where=where)
    if known:
        return known
    sizes[id(node)] = None
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = list(node.value)
    total = 1 + sum(_expanded_size(child, sizes, where, depth + 1) for child in children)
    if total > MAX_YAML_NODES:
        raise PrunescopeError("aliases expand to too much", expected=f"≤ {MAX_YAML_NODES} nodes", where=where)
    sizes[id(node)] = total
    return total


def finite(value: float, name: str) -> float:
    """Return ``value`` if it is a finite number, else refuse: NaN never stands for a measurement."""
    number = float(value)
    if not math.isfinite(number):
        raise PrunescopeError(f"{name} is not a finite number", got=number)
    return number
