"""Provenance: what ran, on what, with which versions; what failed and what has no meaning here."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.reporting.material import Failure, Material
from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.wording import counted, duration, listed


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the section shows; every text is plain and untrusted."""

    sentence: str
    facts: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]
    blocked: tuple[str, ...]
    not_applicable: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    study_file: str
    versions: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, str], ...]


def gather(reading: Reading) -> Provenance:
    """Return the provenance of a page."""
    material = reading.material
    return Provenance(
        sentence=_sentence(material, reading),
        facts=tuple((name, text) for name, text in facts(reading) if text),
        failures=material.failures,
        blocked=material.blocked,
        not_applicable=not_applicable(reading.rows),
        notes=tuple(dict.fromkeys(material.notes)),
        study_file=material.study_file,
        versions=tuple(sorted(material.versions.items())),
        keys=tuple(material.keys.items()),
    )


def facts(reading: Reading) -> list[tuple[str, str]]:
    """Return the lines of what was done."""
    material = reading.material
    time = "" if material.wall_seconds is None else duration(material.wall_seconds)
    described = [f"{name} – {text}" if text else name for name, text in material.recipes.items()]
    return [
        ("network", material.network),
        ("data", material.data),
        ("recipes", "; ".join(described)),
        ("levels", listed(levels(reading))),
        ("seeds", listed(str(seed) for seed in material.seeds)),
        ("device", material.device),
        ("computing time", time),
        ("size", material.size),
    ]


def levels(reading: Reading) -> list[str]:
    """Return the sparsities measured, rising."""
    return [
        row.at
        for row in sorted(
            {r.at: r for r in reading.rows if r.recipe in reading.styles and r.level}.values(), key=_rising
        )
    ]


def _rising(row: Row) -> float:
    return row.sparsity


def done(reading: Reading) -> str:
    """Return the one line that says what was done."""
    material, told = reading.material, levels(reading)
    parts = [material.network, material.data]
    if material.seeds:
        parts.append(counted(len(material.seeds), "seed"))
    if len(told) == 1:
        parts.append(f"sparsity {told[0]}")
    elif told:
        parts.append(f"{counted(len(told), 'sparsity', 'sparsities')} from {told[0]} to {told[-1]}")
    if material.wall_seconds is not None:
        parts.append(f"{duration(material.wall_seconds)} of computing")
    return " · ".join(part for part in (*parts, material.device) if part)


def not_applicable(rows: tuple[Row, ...]) -> tuple[tuple[str, str], ...]:
    """Return what could not be measured and why; equal reasons are told once, with where they hold."""
    where: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.value is None:
            what = " ".join(dict.fromkeys(part for part in (row.measure, row.quantity, row.item) if part))
            where.setdefault((what, row.reason or row.status), []).append(f"{row.recipe} at {row.at}")
    return tuple((f"{what} ({listed(dict.fromkeys(at))})", reason) for (what, reason), at in where.items())


def _sentence(material: Material, reading: Reading) -> str:
    failed = counted(len(material.failures), "node") + " failed" if material.failures else "Nothing failed"
    blocked = f" and {counted(len(material.blocked), 'node')} could not run because of it" if material.blocked else ""
    reasons = len(not_applicable(reading.rows))
    rest = f"; {counted(reasons, 'question')} had no meaning here" if reasons else ""
    return f"{failed}{blocked}{rest}. The study file below makes the same numbers again."
