"""From a store to the page: gather what a study found and write its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from prunescope.data import View
from prunescope.measures import DEFAULT_BUDGET, judge
from prunescope.reporting import Failure, Gallery, Material, render, write_figures
from prunescope.study.artefacts import SPLIT_SEED, build_network, read_measurement, read_splits, read_state
from prunescope.study.files import write_atomically
from prunescope.study.plan import Plan, plan_study
from prunescope.study.run import default_store, missing, rows_of, table_of
from prunescope.study.store import Store
from prunescope.study.study import Reference, Study, load_study
from prunescope.training import Prune


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
    """Return everything the page tells, as plain data."""
    study, rows = plan.study, rows_of(plan, store)
    absent = {node.key: node for node in missing(plan, store)}
    failures = {key: record for key in absent if (record := store.journal.failure(key)) is not None}
    present = [node for key, node in plan.nodes.items() if key not in absent]
    manifests = [store.manifest(node.artefact, node.key) for node in present]
    labels = _labels(plan)
    gallery = _gallery(plan, store, study.views[0])
    return Material(
        title=study.name,
        question=study.question,
        recipes={name: recipe.about or name for name, recipe in study.recipes.items()},
        controls=frozenset(name for name in study.recipes if _is_control(study, name)),
        dense_of={name: study.dense_of(name) for name in study.recipes},
        table=table_of(rows),
        verdict=judge(rows, study.budget),
        default_budget=study.budget == DEFAULT_BUDGET,
        view=study.views[0].name,
        arrays=_arrays(plan, store),
        gallery=gallery,
        network=_network(plan, store),
        data=f"{_told(study.data.spec())}, {len(gallery.labels)} images of view {gallery.view}",
        notes=_notes(plan, store),
        device=", ".join(sorted({manifest["device"] for manifest in manifests})),
        seeds=study.seeds,
        wall_seconds=sum(float(manifest["seconds"]) for manifest in manifests),
        study_file=yaml.safe_dump(study.canonical(), sort_keys=False, allow_unicode=True, width=100),
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


def _arrays(plan: Plan, store: Store) -> dict[tuple[str, str, str, str], dict[str, np.ndarray[Any, Any]]]:
    found = {}
    for item in plan.measured:
        if store.has("measure", item.key):
            arrays = read_measurement(store, item.key).arrays
            if arrays:
                found[item.recipe or "", item.level or "", item.view or "", item.measure] = dict(arrays)
    return found


def _notes(plan: Plan, store: Store) -> tuple[str, ...]:
    """Return what the measures want a reader to know, each once."""
    measured = [item for item in plan.measured if store.has("measure", item.key)]
    notes = [f"{item.measure}: {note}" for item in measured for note in read_measurement(store, item.key).notes]
    return tuple(dict.fromkeys(notes))


def _network(plan: Plan, store: Store) -> str:
    """Return the model with its number of parameters, which a trained network tells."""
    told = _told(plan.study.model.spec())
    cell = next((cell for cell in plan.cells if store.has("state", cell.state)), None)
    if cell is None:
        return told
    state, blueprint = read_state(store, cell.state)
    net = build_network(blueprint, state.seed)
    return f"{told}, {sum(parameter.numel() for parameter in net.parameters()):,} parameters"


def _gallery(plan: Plan, store: Store, view: View) -> Gallery:
    seen = view.select(read_splits(store, plan.data, torch.device("cpu")), SPLIT_SEED)
    return Gallery(view=view.name, images=seen.images.numpy(), labels=seen.labels.numpy(), classes=seen.classes)


def _labels(plan: Plan) -> dict[str, str]:
    """Return what each node is, for people."""
    labels = {key: f"{node.kind} {key[:12]}" for key, node in plan.nodes.items()}
    for cell in plan.cells:
        network = f"{cell.recipe} {cell.level}, seed {cell.seed}"
        labels[cell.state] = network
        labels |= {key: f"logits of {network} on {view}" for view, key in cell.logits.items()}
    for item in plan.measured:
        where = f"{item.recipe or 'all recipes'} {item.level}" + (f" on {item.view}" if item.view else "")
        labels[item.key] = f"{item.measure} of {where}"
    return labels


def _told(spec: dict[str, Any]) -> str:
    """Return ``name`` or ``name (option value, …)``."""
    [(name, options)] = spec.items()
    inside = ", ".join(f"{option} {value}" for option, value in options.items())
    return f"{name} ({inside})" if inside else str(name)
