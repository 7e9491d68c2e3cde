"""Node: one piece of work, named by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prunescope.core.config import canonical_json, fingerprint

# Raised when a kind computes something else than before: old artefacts are then no longer found.
VERSIONS: Mapping[str, int] = {"reweight": 3}

Inputs = Mapping[str, "str | tuple[str, ...]"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One piece of work.

    Args:
        kind: what is done.
        key: SHA-256 of kind, version, options that differ from their default, and the keys of the inputs.
        spec: the complete specification as JSON, compared when an artefact is reused.
        payload: plain data the work reads; never part of the key.
        inputs: keys by role.
        artefact: kind of what the node leaves: ``data``, ``state``, ``sampled``, ``measure``, or a kind of inference.
        gpu: share of a GPU that it wants where there are GPUs; never part of the key.
        limit: seconds it may take, None for any; never part of the key.
        siblings: shared by nodes that differ only in the network and can be performed at once; empty for others.
        close: whether siblings performed at once are only close to what each would be alone, see ``Stage``.
        measured: whether siblings are performed at once only where a trial shows that this is faster.
        members: the siblings that this node stands for, see :func:`gathered`; it leaves nothing of its own.
    """

    kind: str
    key: str
    spec: str = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    inputs: Inputs = field(repr=False)
    artefact: str = "state"
    gpu: float = 0.0
    limit: float | None = None
    siblings: str = ""
    close: bool = False
    measured: bool = False
    members: tuple[Node, ...] = field(default=(), repr=False)

    @property
    def each(self) -> Sequence[Node]:
        """The nodes it stands for: its members, or itself."""
        return self.members or (self,)

    def input_keys(self) -> Iterable[str]:
        """Yield the keys of all inputs."""
        for value in self.inputs.values():
            yield from (value,) if isinstance(value, str) else value


def make_node(
    kind: str,
    identity: Mapping[str, Any],
    complete: Mapping[str, Any],
    inputs: Inputs,
    payload: Mapping[str, Any] | None = None,
    artefact: str = "state",
    gpu: float = 0.0,
) -> Node:
    """Return the node of this identity; ``payload`` defaults to the complete options."""
    plain = {role: value if isinstance(value, str) else list(value) for role, value in inputs.items()}
    head = {"kind": kind, "version": VERSIONS.get(kind, 1), "inputs": plain}
    return Node(
        kind=kind,
        key=fingerprint({**head, "parameters": identity}),
        spec=canonical_json({**head, "parameters": complete}),
        payload=complete if payload is None else payload,
        inputs=inputs,
        artefact=artefact,
        gpu=gpu,
    )


def gathered(members: Sequence[Node], *, measured: bool = False) -> Node:
    """Return one piece of work for siblings, or the only one of them; ``measured``: if a trial shows that this pays."""
    if len(members) == 1:
        return members[0]
    key, first = fingerprint([member.key for member in members]), members[0]
    limit = None if first.limit is None else first.limit * len(members)
    return Node(
        kind=first.kind,
        key=key,
        spec="",
        payload={},
        inputs={},
        gpu=min(1.0, first.gpu * len(members)) if first.close else first.gpu,
        limit=limit,
        measured=measured,
        members=tuple(members),
    )
