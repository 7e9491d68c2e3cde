"""The one registry: names to members, for every family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import PlainSerializer, PlainValidator, SerializationInfo

from prunescope.core.config import Config, validate
from prunescope.core.errors import PrunescopeError, unknown_name


class Member(Config):
    """A family member: a frozen, keyword-only value whose fields are all its options.

    ``member_name`` is set by the registry; it is the name in study files, on the command line and in keys.
    ``main_option`` is the option that a plain value stands for; the first one unless a class says otherwise.
    """

    member_name: ClassVar[str] = ""
    main_option: ClassVar[str] = ""

    def spec(self, *, complete: bool = False) -> dict[str, Any]:
        """Return ``{name: options}``; options equal to their default are left out unless ``complete``."""
        return {self.member_name: self.canonical(complete=complete)}


MemberT = TypeVar("MemberT", bound=Member)


class Registry(Generic[MemberT]):
    """Names to classes of one family; third parties join through the entry-point group ``prunescope.<family>``.

    Example:
        >>> class Shape(Member):
        ...     sides: int = 4
        >>> shapes: Registry[Shape] = Registry("shapes")
        >>> _ = shapes.register("polygon")(Shape)
        >>> shapes.build({"polygon": {"sides": 3}}).sides, shapes.build({"polygon": 5}).sides
        (3, 5)
    """

    def __init__(self, family: str) -> None:
        self.family = family
        self._members: dict[str, type[MemberT]] = {}
        self._plugins_loaded = False

    def register(self, name: str) -> Callable[[type[MemberT]], type[MemberT]]:
        """Return the decorator that enters a class under ``name``; a second class of that name is refused."""

        def enter(cls: type[MemberT]) -> type[MemberT]:
            if name in self._members:
                raise PrunescopeError(f"{self.family}: {name!r} is registered twice", got=cls.__qualname__)
            cls.member_name = name
            self._members[name] = cls
            return cls

        return enter

    def names(self) -> list[str]:
        """Return all names, sorted."""
        self._load_plugins()
        return sorted(self._members)

    def get(self, name: str) -> type[MemberT]:
        """Return the class behind a name; hyphen and underscore are the same."""
        wanted = str(name).replace("-", "_")
        if wanted not in self._members:
            self._load_plugins()
        if wanted not in self._members:
            raise unknown_name(f"name in {self.family}:", name, self._members)
        return self._members[wanted]

    def build(self, spec: object) -> MemberT:
        """Build a member from ``name``, ``{name: {option: value}}`` or ``{name: value of the main option, …}``.

        Raises:
            PrunescopeError: for an unknown name or option, with the nearest valid ones.
        """
        if isinstance(spec, Member):
            return self._checked(spec)
        if isinstance(spec, str):
            return validate(self.get(spec), {}, spec)
        if not isinstance(spec, Mapping) or not spec:
            raise PrunescopeError("cannot be read", expected=f"a name in {self.family} or {{name: options}}", got=spec)
        name = next((str(key) for key in spec if str(key).replace("-", "_") in self._members), str(next(iter(spec))))
        cls = self.get(name)
        value, rest = spec[name], {key: spec[key] for key in spec if key != name}
        options = dict(value) if isinstance(value, Mapping) else self._main_option(cls, name, value)
        return validate(cls, {**options, **rest}, name)

    def field(self) -> Any:
        """Return the pydantic metadata of a field that holds a member of this family, written as a spec."""
        return (
            PlainValidator(self.build),
            PlainSerializer(_dump_member, return_type=dict),
        )

    def _main_option(self, cls: type[MemberT], name: str, value: object) -> dict[str, object]:
        if value is None:
            return {}
        if not cls.model_fields:
            raise PrunescopeError(f"{name} takes no options", got=value)
        return {cls.main_option or next(iter(cls.model_fields)): value}

    def _checked(self, member: Member) -> MemberT:
        if self._members.get(member.member_name) is not type(member):
            raise PrunescopeError(f"not a member of {self.family}", got=type(member).__name__)
        return member

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for point in entry_points(group=f"prunescope.{self.family}"):
            if point.name not in self._members:
                self.register(point.name)(point.load())


def _dump_member(member: Member, info: SerializationInfo) -> dict[str, Any]:
    return member.spec(complete=not info.exclude_defaults)
