"""From a store to the page: gather what a study found and write its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from prunescope.data import Dataset, View
from prunescope.data.shifts import apply_shift
from prunescope.measures import DEFAULT_BUDGET, Promise, judge
from prunescope.reporting import Failure, Gallery, Material, Shifted, render, write_figures
from prunescope.study.artefacts import SPLIT_SEED, build_network, read_measurement, read_splits, read_state
from prunescope.study.files import write_atomically
from prunescope.study.measuring import Planned
from prunescope.study.plan import Plan, plan_study
from prunescope.study.run import default_store, missing, rows_of, table_of
from prunescope.study.store import Store
from prunescope.study.study import Reference, Study, load_study
from prunescope.training import Prune

SHOWN, MOST_VIEWS = 4, 48  # example images of a view, views with examples


def report(
    study: Reference,
    out: str | Path,
    *,
    size: str = "tiny",
    store: str | Path | None = None,
    figures: str | Path | None = None,
) -> Path:
    """Write what the store holds of a study as one self-contained HTML file and return its path.

    Args:
        study: a preset's name, a YAML file, a mapping, or what ``load_study`` made of one.
        out: file to write.
        size: ``tiny``, ``small`` or ``paper``.
        store: folder of artefacts.
        figures: folder for the same charts as SVG and PDF.

    Raises:
        PrunescopeError: when nothing of the study has been measured yet.
    """
    material = gather(plan_study(load_study(study, size=size)), Store(store or default_store()))
    page = render(material)
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page.encode())
    if figures is not None:
        write_figures(material, Path(figures))
    return target


def gather(plan: Plan, store: Store) -> Material:
    """Return everything the page of a study tells, as plain data."""
    study = plan.study
    found = gather_found(plan, store, study.views[0], study.budget)
    return replace(
        found,
        question=study.question,
        recipes={name: recipe.about or name for name, recipe in study.recipes.items()},
        controls=frozenset(name for name in study.recipes if _is_control(study, name)),
        dense_of={name: study.dense_of(name) for name in study.recipes},
        network=_network(plan, store),
        data=f"{told_spec(study.data.spec())}, {found.data}",
        shifted=_shifted(plan, store, study.views),
        seeds=study.seeds,
        study_file=yaml.safe_dump(study.canonical(), sort_keys=False, allow_unicode=True, width=100),
    )


def gather_found(plan: Planned, store: Store, view: View, budget: Sequence[Promise]) -> Material:
    """Return what the store holds of a plan: results and verdict, images of a view, failures, keys, versions."""
    rows = rows_of(plan, store)
    absent = {node.key: node for node in missing(plan, store)}
    failures = {key: record for key in absent if (record := store.journal.failure(key)) is not None}
    present = [node for key, node in plan.nodes.items() if key not in absent]
    manifests = [store.manifest(node.artefact, node.key) for node in present]
    labels = _labels(plan)
    seen = view.select(read_splits(store, plan.data, torch.device("cpu")), SPLIT_SEED)
    return Material(
        title=plan.name,
        recipes={cell.recipe: cell.recipe for cell in plan.cells},
        table=table_of(rows),
        verdict=judge(rows, budget),
        default_budget=tuple(budget) == DEFAULT_BUDGET,
        view=view.name,
        arrays=_arrays(plan, store),
        gallery=_gallery(seen, view.name),
        data=f"{len(seen)} {'inputs' if seen.real else 'images'} of view {view.name}",
        notes=_notes(plan, store),
        device=", ".join(sorted({manifest["device"] for manifest in manifests})),
        wall_seconds=sum(float(manifest["seconds"]) for manifest in manifests),
        keys={labels[cell.state]: cell.state for cell in plan.cells},
        versions=dict(manifests[0]["versions"]),
        failures=tuple(
            Failure(key=key, node=labels[key], traceback=record["traceback"]) for key, record in failures.items()
        ),
        blocked=tuple(labels[key] for key in absent if key not in failures),
    )


def _is_control(study: Study, recipe: str) -> bool:
    stages = study.recipes[recipe].stages
    return any(isinstance(s, Prune) and s.criterion.member_name.startswith("random") for s in stages)


def _arrays(plan: Planned, store: Store) -> dict[tuple[str, str, str, str], dict[str, np.ndarray[Any, Any]]]:
    found = {}
    for item in plan.measured:
        if store.has("measure", item.key):
            arrays = read_measurement(store, item.key).arrays
            if arrays:
                found[item.recipe or "", item.level or "", item.view or "", item.measure] = dict(arrays)
    return found


def _notes(plan: Planned, store: Store) -> tuple[str, ...]:
    """Return what the measures want a reader to know, each once."""
    measured = [item for item in plan.measured if store.has("measure", item.key)]
    notes = [f"{item.measure}: {note}" for item in measured for note in read_measurement(store, item.key).notes]
    return tuple(dict.fromkeys(notes))


def _network(plan: Plan, store: Store) -> str:
    """Return the model with its number of parameters, which a trained network tells."""
    told = told_spec(plan.study.model.spec())
    cell = next((cell for cell in plan.cells if store.has("state", cell.state)), None)
    if cell is None:
        return told
    state, blueprint = read_state(store, cell.state)
    net = build_network(blueprint, state.seed)
    return f"{told}, {sum(parameter.numel() for parameter in net.parameters()):,} parameters"


def _gallery(seen: Dataset, view: str) -> Gallery | None:
    """Return the images of a view; inputs with real targets are none."""
    if seen.real:
        return None
    shown = _showable(seen.images)
    return Gallery(view=view, images=shown.numpy(), labels=seen.labels.numpy(), classes=seen.classes)


def _showable(images: torch.Tensor) -> torch.Tensor:
    """Return images as uint8 with 1 or 3 channels."""
    levels = images if images.dtype == torch.uint8 else (255 * images.clamp(0, 1)).round().to(torch.uint8)
    return levels if levels.shape[1] in (1, 3) else levels[:, :1]


def _shifted(plan: Planned, store: Store, views: Sequence[View]) -> tuple[Shifted, ...]:
    """Return the first images of every view of the test split, as the networks saw them; real inputs are none."""
    splits = read_splits(store, plan.data, torch.device("cpu"))
    shown = []
    for view in [view for view in views if view.split == "test" and not splits["test"].real][:MOST_VIEWS]:
        images = view.select(view.within(splits), SPLIT_SEED).images[:SHOWN]
        images = images if view.shift is None else apply_shift(view.shift, images, seed=0)
        departure = "" if view.shift is None else view.shift.departure
        shown.append(Shifted(view=view.name, images=_showable(images).numpy(), departure=departure))
    return tuple(shown)


def _labels(plan: Planned) -> dict[str, str]:
    """Return what each node is, for people."""
    labels = {key: f"{node.kind} {key[:12]}" for key, node in plan.nodes.items()}
    for cell in plan.cells:
        network = f"{cell.recipe} {cell.level}, seed {cell.seed}" + (f", draw {cell.draw}" if cell.draw else "")
        labels[cell.state] = network
        labels |= {key: f"logits of {network} on {view}" for view, key in cell.logits.items()}
    for item in plan.measured:
        where = f"{item.recipe or 'all recipes'} {item.level}" + (f" on {item.view}" if item.view else "")
        labels[item.key] = f"{item.measure} of {where}"
    return labels


def told_spec(spec: dict[str, Any]) -> str:
    """Return ``name`` or ``name (option value, …)``."""
    [(name, options)] = spec.items()
    inside = ", ".join(f"{option} {value}" for option, value in options.items())
    return f"{name} ({inside})" if inside else str(name)
